/** An uploader for Uppy: files go into a run by the server's chunked upload routes. */

import { BasePlugin, type Body, type Meta, type PluginOpts, type Uppy } from "@uppy/core";
import {
  filterFilesToEmitUploadStarted,
  filterFilesToUpload,
  type UppyFile,
} from "@uppy/core/utils";

import { forgetOld } from "./memory";
import { HttpError } from "./request";
import { persistently } from "./retry";
import { Slots } from "./slots";
import { type Shared, Transfer } from "./transfer";
import { type Folder, openBatch } from "./wire";

/** Files on their way at a time; chunks of all of them at a time. Browsers open six connections. */
const FILES = 3;
const CHUNKS = 5;
const DEFAULT_CHUNK = 1024 * 1024;

export interface RunMeta extends Meta {
  /** The folder of the run that a file goes into. */
  folder: Folder;
}

export interface RunFilesOptions extends PluginOpts {
  run: string;
}

type RunFile = UppyFile<RunMeta, Body>;

/** A file being uploaded: what pauses it, and what ends it. */
interface Job {
  transfer: Transfer;
  ended: AbortController;
  /** Aborted while the file pauses. */
  paused: AbortController;
  resume: (() => void) | undefined;
}

export class RunFiles extends BasePlugin<RunFilesOptions, RunMeta, Body> {
  readonly #jobs = new Map<string, Job>();
  readonly #files = new Slots(FILES);
  readonly #shared: Shared = {
    slots: new Slots(CHUNKS),
    batch: (signal) => this.#openBatch(signal),
    chunkSize: DEFAULT_CHUNK,
  };
  #batch: Promise<string> | undefined;

  constructor(uppy: Uppy<RunMeta, Body>, options: RunFilesOptions) {
    super(uppy, options);
    this.type = "uploader";
    this.id = "RunFiles";
  }

  override install(): void {
    const { capabilities } = this.uppy.getState();
    this.uppy.setState({
      capabilities: { ...capabilities, resumableUploads: true, individualCancellation: true },
    });
    this.uppy.addUploader(this.#upload);
    this.uppy.on("file-removed", (file) => {
      this.#end(file.id);
    });
    this.uppy.on("cancel-all", () => {
      [...this.#jobs.keys()].forEach((id) => {
        this.#end(id);
      });
    });
    this.uppy.on("upload-pause", (file, isPaused) => {
      if (file) {
        this.#pause(file.id, isPaused);
      }
    });
    this.uppy.on("pause-all", () => {
      this.#pauseAll(true);
    });
    this.uppy.on("resume-all", () => {
      this.#pauseAll(false);
    });
    forgetOld();
  }

  override uninstall(): void {
    this.uppy.removeUploader(this.#upload);
  }

  readonly #upload = async (ids: string[]): Promise<void> => {
    const files = filterFilesToUpload(this.uppy.getFilesByIds(ids)) as RunFile[];
    this.uppy.emit("upload-start", filterFilesToEmitUploadStarted(files) as RunFile[]);
    // Failures are told file by file.
    await Promise.all(files.map((file) => this.#uploadOne(file)));
  };

  async #uploadOne(file: RunFile): Promise<void> {
    const name = file.meta.relativePath ?? file.name;
    const job: Job = {
      transfer: new Transfer(
        this.#shared,
        { run: this.opts.run, folder: file.meta.folder },
        name,
        file.data as Blob,
        (bytes) => {
          this.#report(file.id, bytes);
        },
      ),
      ended: new AbortController(),
      paused: new AbortController(),
      resume: undefined,
    };
    this.#jobs.set(file.id, job);
    this.#report(file.id, 0);
    try {
      await this.#run(job);
      this.#report(file.id, file.size ?? 0);
      this.uppy.emit("upload-success", this.uppy.getFile(file.id), { status: 201 });
    } catch (error) {
      if (!job.ended.signal.aborted) {
        const shown = error instanceof Error ? error : new Error(String(error));
        this.uppy.emit("upload-error", this.uppy.getFile(file.id), {
          name: shown.name,
          message: inWords(shown),
        });
      }
    } finally {
      this.#jobs.delete(file.id);
    }
  }

  /** Runs a transfer to its end, through all pauses. */
  async #run(job: Job): Promise<void> {
    for (;;) {
      const { paused, ended } = job;
      try {
        await this.#files.run(async () => {
          await job.transfer.run(AbortSignal.any([paused.signal, ended.signal]));
        });
        return;
      } catch (error) {
        if (!paused.signal.aborted || ended.signal.aborted) {
          throw error;
        }
      }
      await new Promise<void>((resolve) => {
        if (job.paused === paused) {
          job.resume = resolve;
        } else {
          resolve();
        }
      });
      ended.signal.throwIfAborted();
    }
  }

  #pauseAll(isPaused: boolean): void {
    for (const id of this.#jobs.keys()) {
      this.#pause(id, isPaused);
    }
  }

  #pause(id: string, isPaused: boolean): void {
    const job = this.#jobs.get(id);
    if (!job) {
      return;
    }
    if (isPaused) {
      job.paused.abort(new Error("paused"));
    } else if (job.paused.signal.aborted) {
      job.paused = new AbortController();
      job.resume?.();
      job.resume = undefined;
    }
  }

  #end(id: string): void {
    const job = this.#jobs.get(id);
    if (job) {
      job.ended.abort(new Error("removed"));
      job.transfer.cancel();
      job.resume?.();
    }
  }

  #report(id: string, bytesUploaded: number): void {
    const file = this.uppy.getState().files[id];
    if (file) {
      this.uppy.emit("upload-progress", file, {
        uploadStarted: file.progress.uploadStarted ?? Date.now(),
        bytesUploaded,
        // It takes 0 for unknown.
        bytesTotal: file.size === 0 ? 1 : file.size,
      });
    }
  }

  /** One batch for all files of this page; it also tells how large a chunk may be. */
  #openBatch(signal: AbortSignal): Promise<string> {
    this.#batch ??= persistently(signal, () => openBatch(signal)).then(
      ({ id, maxChunk }) => {
        this.#shared.chunkSize = maxChunk ?? DEFAULT_CHUNK;
        return id;
      },
      (error: unknown) => {
        this.#batch = undefined;
        throw error;
      },
    );
    return this.#batch;
  }
}

function inWords(error: Error): string {
  if (error instanceof HttpError && error.status === 401) {
    return "You are logged out. Log in in another tab, then retry here.";
  }
  return error.message;
}
