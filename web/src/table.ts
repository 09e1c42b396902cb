/** The tables of a run's files, brought up to date after an upload. */

import { formatSize, showLocalTime } from "./figures";
import { type Folder, type ListedFile, fileAddress, listFolder } from "./upload/wire";

/** As many files as the server puts on a page. */
const PAGE = 500;

/** Shows the present files of a folder. */
export async function refreshTable(run: string, folder: Folder): Promise<void> {
  // A page further on in a long list stays as it is: what was uploaded need not be on it.
  if (new URLSearchParams(location.search).has(folder)) {
    return;
  }
  const table = document.querySelector<HTMLTableElement>(`table[data-dir="${folder}"]`);
  const body = table?.tBodies[0];
  if (!table || !body) {
    return;
  }
  const files = await listFolder(run, folder);
  body.replaceChildren(...files.slice(0, PAGE).map((file) => row(run, folder, file)));
  table.hidden = files.length === 0;
  const empty = table.parentElement?.querySelector<HTMLElement>(".empty");
  if (empty) {
    empty.hidden = files.length > 0;
  }
}

function row(run: string, folder: Folder, file: ListedFile): HTMLTableRowElement {
  const path = file.path.slice(folder.length + 1);

  const name = document.createElement("bdi");
  name.textContent = path;
  const link = document.createElement("a");
  link.href = fileAddress(run, folder, path);
  link.download = "";
  link.append(name);

  const size = document.createElement("data");
  size.value = String(file.size);
  size.textContent = formatSize(file.size);

  const time = document.createElement("time");
  time.dateTime = new Date(file.last_modified * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  showLocalTime(time);

  const row = document.createElement("tr");
  row.role = "row";
  const header = cell("th", "rowheader", "", link);
  header.scope = "row";
  row.append(header, cell("td", "cell", "number", size), cell("td", "cell", "date", time));
  return row;
}

function cell(
  tag: "th" | "td",
  role: string,
  className: string,
  content: Node,
): HTMLTableCellElement {
  const cell = document.createElement(tag);
  cell.role = role;
  if (className) {
    cell.className = className;
  }
  cell.append(content);
  return cell;
}
