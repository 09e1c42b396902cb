/** Trying again what may yet work, after pauses that grow. */

import { ConnectionError, HttpError } from "./request";

/** About two and a half minutes in all. */
const TRIES = 11;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Answers that say "not now": of the server, or of a proxy before one that is just starting anew. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

function isTransient(error: unknown): boolean {
  return (
    error instanceof ConnectionError || (error instanceof HttpError && TRANSIENT.has(error.status))
  );
}

/** Does something until it works, fails for good, fails too often or is aborted. */
export async function persistently<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await action();
    } catch (error) {
      if (!isTransient(error) || failures >= TRIES) {
        throw error;
      }
      const grown = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
      // Between half of it and all: what failed at once does not come back at once.
      const pause = grown * (0.5 + Math.random() / 2);
      const asked = error instanceof HttpError ? (error.retryAfterMs ?? 0) : 0;
      await sleep(Math.max(pause, Math.min(asked, LONGEST_PAUSE_MS)), signal);
    }
  }
}

/** Waits, at most until the browser is online again. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const finish = () => {
      clearTimeout(timer);
      window.removeEventListener("online", onOnline);
      signal.removeEventListener("abort", onAbort);
    };
    const onOnline = () => {
      finish();
      resolve();
    };
    const onAbort = () => {
      finish();
      reject(signal.reason as Error);
    };
    const timer = setTimeout(onOnline, milliseconds);
    window.addEventListener("online", onOnline);
    signal.addEventListener("abort", onAbort);
  });
}
