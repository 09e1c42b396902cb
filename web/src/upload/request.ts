/** One HTTP request, with progress of what is sent and an end to waiting for a connection that hangs. */

/** So long nothing may move before a request counts as lost. */
const STALL_MS = 60_000;

/** The server answered with an error. */
export class HttpError extends Error {
  override readonly name = "HttpError";

  constructor(
    readonly status: number,
    detail: string,
    /** What the server asks to wait, in milliseconds. */
    readonly retryAfterMs: number | undefined,
  ) {
    super(detail);
  }
}

/** No answer came: no network, no server, or a connection that broke or hangs. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

export interface RequestOptions {
  method: "GET" | "POST" | "DELETE";
  url: string;
  body?: FormData | string;
  signal: AbortSignal;
  /** Told how many bytes of the body are sent. */
  onProgress?: (sent: number) => void;
}

export interface Answer {
  json: unknown;
  header: (name: string) => string | null;
}

/** Fails with HttpError, ConnectionError or the signal's reason. */
export function request(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    options.signal.throwIfAborted();
    // Not fetch: it does not tell how much of a body is sent.
    const xhr = new XMLHttpRequest();
    let stalled: ReturnType<typeof setTimeout> | undefined;
    const onAbort = () => {
      finish();
      xhr.abort();
      reject(options.signal.reason as Error);
    };
    const finish = () => {
      clearTimeout(stalled);
      options.signal.removeEventListener("abort", onAbort);
    };
    const onMove = () => {
      clearTimeout(stalled);
      stalled = setTimeout(() => {
        finish();
        xhr.abort();
        reject(new ConnectionError("The server does not answer"));
      }, STALL_MS);
    };
    options.signal.addEventListener("abort", onAbort);
    xhr.upload.addEventListener("progress", (event) => {
      onMove();
      options.onProgress?.(event.loaded);
    });
    xhr.addEventListener("progress", onMove);
    xhr.addEventListener("error", () => {
      finish();
      reject(new ConnectionError("The connection to the server broke"));
    });
    xhr.addEventListener("load", () => {
      finish();
      const json = parse(xhr.responseText);
      if (xhr.status >= 200 && xhr.status < 300) {
        resolve({ json, header: (name) => xhr.getResponseHeader(name) });
      } else {
        reject(new HttpError(xhr.status, detailOf(xhr, json), retryAfter(xhr)));
      }
    });
    xhr.open(options.method, options.url);
    if (typeof options.body === "string") {
      xhr.setRequestHeader("Content-Type", "application/json");
    }
    onMove();
    xhr.send(options.body ?? null);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the server says went wrong. A proxy in between may say something else than JSON. */
function detailOf(xhr: XMLHttpRequest, json: unknown): string {
  if (typeof json === "object" && json !== null && "detail" in json) {
    return String(json.detail);
  }
  return `The server answered ${xhr.status} ${xhr.statusText}`.trim();
}

function retryAfter(xhr: XMLHttpRequest): number | undefined {
  const seconds = Number.parseInt(xhr.getResponseHeader("Retry-After") ?? "", 10);
  return Number.isNaN(seconds) ? undefined : seconds * 1000;
}
