/** The part of a run's page that uploads. */

import { type Body, Uppy } from "@uppy/core";
import Dashboard from "@uppy/dashboard";

import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";
import "./dashboard.css";

import { refreshTable } from "../table";
import { refusal } from "./names";
import { showNotices } from "./notices";
import { RunFiles, type RunMeta } from "./run-files";
import type { Folder } from "./wire";

export function startUploading(place: HTMLElement): void {
  const run = place.dataset["run"];
  if (!run) {
    return;
  }
  const uppy = new Uppy<RunMeta, Body>({
    meta: { folder: "in" },
    onBeforeFileAdded: (file) => {
      const why = refusal(file.meta.relativePath ?? file.name);
      if (why) {
        uppy.info({ message: `${file.name} cannot be uploaded`, details: why }, "error");
      }
      return why === undefined;
    },
  });
  uppy.use(Dashboard<RunMeta, Body>, {
    inline: true,
    target: place,
    width: "100%",
    height: 320,
    theme: "auto",
    // Its own notices go away after five seconds, and keep the reason behind a button.
    disableInformer: true,
    // It would show local images by blob: URLs, which the content security policy does not let in.
    disableThumbnailGenerator: true,
    fileManagerSelectionType: "both",
    proudlyDisplayPoweredByUppy: false,
    showRemoveButtonAfterComplete: false,
    singleFileFullScreen: false,
  });
  uppy.use(RunFiles, { run });
  showNotices(uppy, place);
  chooseFolder(uppy);
  refreshAfterwards(uppy, run);
  // Leaving the page breaks an upload off; coming back with the same file resumes it.
  window.addEventListener("beforeunload", (event) => {
    if (Object.keys(uppy.getState().currentUploads).length > 0) {
      event.preventDefault();
    }
  });
}

/** Lets the user say which folder of the run the next files go into. */
function chooseFolder(uppy: Uppy<RunMeta, Body>): void {
  const choice = document.getElementById("upload-into");
  choice?.addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement) {
      uppy.setMeta({ folder: event.target.value as Folder });
    }
  });
  if (choice) {
    choice.hidden = false;
  }
}

/** Shows new files in the tables: once a while during a long upload, and at its end. */
function refreshAfterwards(uppy: Uppy<RunMeta, Body>, run: string): void {
  const stale = new Set<Folder>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const refresh = () => {
    clearTimeout(timer);
    timer = undefined;
    for (const folder of stale) {
      stale.delete(folder);
      refreshTable(run, folder).catch(() => stale.add(folder));
    }
  };
  uppy.on("upload-success", (file) => {
    if (file) {
      stale.add(file.meta.folder);
      timer ??= setTimeout(refresh, 2000);
    }
  });
  uppy.on("complete", refresh);
}
