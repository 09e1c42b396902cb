/** The server's routes for files of a run, as far as this page uses them. */

import { type Answer, request } from "./request";

export type Folder = "in" | "out";

export interface ListedFile {
  /** From the folder's name on. */
  path: string;
  size: number;
  /** Seconds of the Unix epoch. */
  last_modified: number;
}

/** The server does not know the upload, or not any more. */
export class UploadUnknownError extends Error {
  override readonly name = "UploadUnknownError";
}

/** The server lacks chunks that it had acknowledged. */
export class ChunksMissingError extends Error {
  override readonly name = "ChunksMissingError";
}

export interface Session {
  uploadId: string;
  /** The largest chunk the server takes; undefined if it does not say. */
  maxChunk: number | undefined;
}

/** Percent-encodes one segment of a path: all but the unreserved characters, as the server does. */
function quote(segment: string): string {
  const code = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(segment).replace(/[!'()*]/g, code);
}

export function fileAddress(run: string, folder: Folder, path: string): string {
  return `/files/${quote(run)}/${folder}/${path.split("/").map(quote).join("/")}`;
}

export async function listFolder(run: string, folder: Folder): Promise<ListedFile[]> {
  const url = `/files/${quote(run)}/${folder}`;
  const { json } = await request({ method: "GET", url, signal: new AbortController().signal });
  return json as ListedFile[];
}

function post(url: string, body: unknown, signal: AbortSignal): Promise<Answer> {
  return request({ method: "POST", url, body: JSON.stringify(body), signal });
}

function maxChunkOf(answer: Answer): number | undefined {
  const bytes = Number.parseInt(answer.header("Twinfs-Max-Chunk") ?? "", 10);
  return Number.isNaN(bytes) || bytes <= 0 ? undefined : bytes;
}

/** A batch is a name that the files of one upload share. */
export async function openBatch(
  signal: AbortSignal,
): Promise<{ id: string; maxChunk: number | undefined }> {
  const answer = await post("/files/init_batch", {}, signal);
  const { batch_id: id } = answer.json as { batch_id: string };
  return { id, maxChunk: maxChunkOf(answer) };
}

export async function openSession(
  filename: string,
  chunks: number,
  batch: string,
  signal: AbortSignal,
): Promise<string> {
  const body = { filename, total_chunks: chunks, batch_id: batch };
  const { json } = await post("/files/init", body, signal);
  return (json as { upload_id: string }).upload_id;
}

/** The numbers of the chunks that are there; undefined if there is no such upload. */
export async function receivedChunks(
  uploadId: string,
  signal: AbortSignal,
): Promise<number[] | undefined> {
  const url = `/files/status/${quote(uploadId)}`;
  const { json } = await request({ method: "GET", url, signal });
  const status = json as { exists: boolean; received_chunks: number[] };
  return status.exists ? status.received_chunks : undefined;
}

export async function sendChunk(
  uploadId: string,
  number: number,
  chunk: Blob,
  signal: AbortSignal,
  onProgress: (sent: number) => void,
): Promise<void> {
  const body = new FormData();
  body.set("upload_id", uploadId);
  body.set("chunk_number", String(number));
  body.set("chunk", chunk, "chunk");
  const { json } = await request({
    method: "POST",
    url: "/files/chunk",
    body,
    signal,
    onProgress,
  });
  refuse(json);
}

export async function complete(
  run: string,
  folder: Folder,
  batch: string,
  uploadId: string,
  filename: string,
  chunks: number,
  signal: AbortSignal,
): Promise<void> {
  const url = `/files/complete/${quote(run)}/${quote(batch)}/${folder}`;
  const { json } = await post(url, { [uploadId]: { filename, totalChunks: chunks } }, signal);
  refuse((json as unknown[])[0]);
}

/** Drops an upload, if the server knows it. Nobody waits for it: what is left over expires. */
export function cancel(uploadId: string): void {
  const url = `/files/cancel/${quote(uploadId)}`;
  request({ method: "DELETE", url, signal: new AbortController().signal }).catch(() => undefined);
}

/** Some refusals come with a status of success. */
function refuse(json: unknown): void {
  if (typeof json !== "object" || json === null || !("error" in json)) {
    return;
  }
  const text = String(json.error);
  if (text.startsWith("Invalid upload ID")) {
    throw new UploadUnknownError(text);
  }
  if (text.startsWith("Not all chunks") || text.startsWith("Missing chunk")) {
    throw new ChunksMissingError(text);
  }
  throw new Error(text);
}
