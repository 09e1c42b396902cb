/**
 * Remembers unfinished uploads across reloads of the page, so that the same file given again goes on
 * where it stopped.
 */

const PREFIX = "twinfs.upload:";
/** The server forgets them sooner. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

export interface Unfinished {
  uploadId: string;
  chunkSize: number;
  /** When it was started, in milliseconds of the Unix epoch. */
  at: number;
}

/** What tells one file from another, as far as a browser lets us know. */
export function fingerprint(run: string, folder: string, name: string, data: Blob): string {
  const modified = data instanceof File ? data.lastModified : 0;
  return PREFIX + JSON.stringify([run, folder, name, data.size, modified]);
}

/** Storage may be full, or turned off; then nothing is remembered. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

export function recall(key: string): Unfinished | undefined {
  return attempt(() => {
    const text = localStorage.getItem(key);
    const kept = text === null ? undefined : (JSON.parse(text) as Unfinished);
    return kept && Date.now() - kept.at < KEPT_MS ? kept : undefined;
  });
}

export function remember(key: string, unfinished: Unfinished): void {
  attempt(() => {
    localStorage.setItem(key, JSON.stringify(unfinished));
  });
}

export function forget(key: string): void {
  attempt(() => {
    localStorage.removeItem(key);
  });
}

/** Drops what is too old to be of use. */
export function forgetOld(): void {
  for (const key of Object.keys(attempt(() => localStorage) ?? {})) {
    if (key.startsWith(PREFIX) && recall(key) === undefined) {
      forget(key);
    }
  }
}
