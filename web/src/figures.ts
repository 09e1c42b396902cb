/** Sizes and dates as people read them, like the server's own. */

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"] as const;

export function formatSize(bytes: number): string {
  if (bytes < 1024) {
    return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  }
  let value = bytes;
  let unit = "";
  for (const next of UNITS) {
    value /= 1024;
    unit = next;
    // Rounded up to 1024 it is 1.0 of the next unit.
    if (Math.round(value * 10) < 10240) {
      break;
    }
  }
  const tenths = Math.round(value * 10);
  return `${tenths < 100 ? (tenths / 10).toFixed(1) : Math.round(tenths / 10)} ${unit}`;
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Shows the reader's own time, and the full one on hovering. */
export function showLocalTime(time: HTMLTimeElement): void {
  const date = new Date(time.dateTime);
  if (!Number.isNaN(date.getTime())) {
    time.textContent = local.format(date);
    time.title = time.dateTime;
  }
}
