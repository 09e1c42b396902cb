/** What went wrong, in words that stay until the next attempt. */

import type { Body, Uppy } from "@uppy/core";

import type { RunMeta } from "./run-files";

const SHOWN = 5;

export function showNotices(uppy: Uppy<RunMeta, Body>, place: HTMLElement): void {
  const region = document.createElement("div");
  region.className = "notices";
  region.role = "alert";
  place.before(region);
  const notices = new Set<string>();
  const show = () => {
    const lines = [...notices].slice(0, SHOWN);
    if (notices.size > SHOWN) {
      lines.push(`… and ${notices.size - SHOWN} more`);
    }
    region.replaceChildren(
      ...lines.map((line) => {
        const paragraph = document.createElement("p");
        paragraph.textContent = line;
        return paragraph;
      }),
    );
  };
  const clear = () => {
    notices.clear();
    show();
  };
  uppy.on("info-visible", () => {
    for (const { message, details } of uppy.getState().info) {
      notices.add(typeof details === "string" ? `${message}: ${details}` : message);
    }
    show();
  });
  uppy.on("upload", clear);
  uppy.on("upload-retry", clear);
  uppy.on("cancel-all", clear);
}
