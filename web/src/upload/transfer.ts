/** One file on its way: in chunks, several at a time, resumed where it was broken off. */

import { fingerprint, forget, recall, remember } from "./memory";
import { HttpError } from "./request";
import { persistently } from "./retry";
import type { Slots } from "./slots";
import * as wire from "./wire";

/** Chunks of one file on their way at a time. */
const PARALLEL = 4;
/** How often a file may begin anew because the server lost or refused what it had. */
const RESTARTS = 5;
const LEAST_CHUNK = 64 * 1024;

export interface Destination {
  run: string;
  folder: wire.Folder;
}

/** Holds for all files: what one upload has learnt about the server counts for the next. */
export interface Shared {
  /** Chunks on their way, of all files. */
  slots: Slots;
  batch: (signal: AbortSignal) => Promise<string>;
  chunkSize: number;
}

export class Transfer {
  readonly #key: string;
  readonly #sent = new Map<number, number>();
  #uploadId: string | undefined;
  #chunkSize = 0;

  constructor(
    private readonly shared: Shared,
    private readonly destination: Destination,
    private readonly name: string,
    private readonly data: Blob,
    /** Told how many bytes are sent. */
    private readonly onProgress: (bytes: number) => void,
  ) {
    this.#key = fingerprint(destination.run, destination.folder, name, data);
  }

  /** Uploads the file. Aborted or failed, it goes on from there when it is run again. */
  async run(signal: AbortSignal): Promise<void> {
    for (let restarts = 0; ; restarts++) {
      try {
        await this.#attempt(signal);
        forget(this.#key);
        return;
      } catch (error) {
        if (restarts >= RESTARTS || !this.#mayGoOn(error)) {
          throw error;
        }
      }
    }
  }

  /** Drops what the server has of it. */
  cancel(): void {
    if (this.#uploadId !== undefined) {
      wire.cancel(this.#uploadId);
    }
    this.#startOver();
  }

  /** Prepares for another attempt, if one makes sense. */
  #mayGoOn(error: unknown): boolean {
    if (error instanceof wire.ChunksMissingError) {
      return true;
    }
    if (error instanceof wire.UploadUnknownError) {
      this.#startOver();
      return true;
    }
    // The server's limit is known, but a proxy before it may have another.
    if (error instanceof HttpError && error.status === 413 && this.#chunkSize > LEAST_CHUNK) {
      this.shared.chunkSize = Math.max(LEAST_CHUNK, Math.floor(this.#chunkSize / 2));
      this.cancel();
      return true;
    }
    return false;
  }

  #startOver(): void {
    this.#uploadId = undefined;
    forget(this.#key);
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const batch = await this.shared.batch(signal);
    const received = new Set(await this.#resume(signal));
    const uploadId = this.#uploadId ?? (await this.#open(batch, signal));
    const count = this.#count();
    this.#sent.clear();
    const missing: number[] = [];
    for (let number = 0; number < count; number++) {
      if (received.has(number)) {
        this.#sent.set(number, this.#chunk(number).size);
      } else {
        missing.push(number);
      }
    }
    this.#report();
    await this.#send(uploadId, missing, signal);
    const { run, folder } = this.destination;
    await persistently(signal, () =>
      wire.complete(run, folder, batch, uploadId, this.name, count, signal),
    );
  }

  /** The chunks that are there of an upload begun before. */
  async #resume(signal: AbortSignal): Promise<number[]> {
    const kept = recall(this.#key);
    this.#uploadId ??= kept?.uploadId;
    this.#chunkSize ||= kept?.chunkSize ?? 0;
    const uploadId = this.#uploadId;
    if (uploadId === undefined || this.#chunkSize === 0) {
      return [];
    }
    const received = await persistently(signal, () => wire.receivedChunks(uploadId, signal));
    if (received === undefined) {
      this.#startOver();
    }
    return received ?? [];
  }

  async #open(batch: string, signal: AbortSignal): Promise<string> {
    this.#chunkSize = this.shared.chunkSize;
    const uploadId = await persistently(signal, () =>
      wire.openSession(this.name, this.#count(), batch, signal),
    );
    this.#uploadId = uploadId;
    remember(this.#key, { uploadId, chunkSize: this.#chunkSize, at: Date.now() });
    return uploadId;
  }

  #count(): number {
    return Math.ceil(this.data.size / this.#chunkSize);
  }

  #chunk(number: number): Blob {
    const start = number * this.#chunkSize;
    return this.data.slice(start, start + this.#chunkSize);
  }

  /** Sends chunks; the first failure stops all. */
  async #send(uploadId: string, numbers: number[], signal: AbortSignal): Promise<void> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const queue = numbers.values();
    const worker = async () => {
      for (const number of queue) {
        await persistently(either, () =>
          this.shared.slots.run(() => this.#sendOne(uploadId, number, either)),
        );
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(PARALLEL, numbers.length) }, worker));
    } finally {
      failed.abort();
    }
  }

  async #sendOne(uploadId: string, number: number, signal: AbortSignal): Promise<void> {
    const chunk = this.#chunk(number);
    const progress = (sent: number) => {
      // The form around the chunk counts, too.
      this.#sent.set(number, Math.min(sent, chunk.size));
      this.#report();
    };
    try {
      await wire.sendChunk(uploadId, number, chunk, signal, progress);
      progress(chunk.size);
    } catch (error) {
      progress(0);
      throw error;
    }
  }

  #report(): void {
    let bytes = 0;
    for (const sent of this.#sent.values()) {
      bytes += sent;
    }
    this.onProgress(bytes);
  }
}
