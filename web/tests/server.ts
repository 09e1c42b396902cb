/** The real server, one for each test. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const BINARY = resolve(process.env["TWINFS_BIN"] ?? "../target/debug/twinfs");

/** A name and a password with characters that forms and URLs encode. */
export const USER = { name: "ada", password: "päss & word + 100%" };

export class Server {
  private constructor(
    readonly url: string,
    readonly folder: string,
    private readonly process: ChildProcess,
    private readonly options: string[],
  ) {}

  /** Starts a server over an empty folder on a free port. */
  static async start(...options: string[]): Promise<Server> {
    if (!existsSync(BINARY)) {
      throw new Error(`no server at ${BINARY}: build it, or set TWINFS_BIN`);
    }
    const folder = await mkdtemp(join(tmpdir(), "twinfs-page-"));
    await mkdir(join(folder, "data"));
    await writeFile(join(folder, "secret"), "a secret of this test");
    return Server.launch(folder, "127.0.0.1:0", options);
  }

  private static async launch(folder: string, listen: string, options: string[]): Promise<Server> {
    const user = `${USER.name}:${USER.password}`;
    // A killed process loses nothing for want of a sync.
    const durability = ["--durability", "none"];
    const arguments_ = [
      "serve",
      ...durability,
      "--data",
      "data",
      "--listen",
      listen,
      "--user",
      user,
    ];
    const child = spawn(BINARY, [...arguments_, "--secret-file", "secret", ...options], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    child.stderr.on("data", (data: Buffer) => (log += data.toString()));
    for await (const line of createInterface(child.stdout)) {
      const url = /^listening on (http:\S+)/.exec(line)?.[1];
      if (url !== undefined) {
        return new Server(url, folder, child, options);
      }
    }
    throw new Error(`the server did not start:\n${log}`);
  }

  /** Ends it as a power cut would end it for itself. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** Starts it again, after `kill`, on the same data and port. */
  restart(): Promise<Server> {
    return Server.launch(this.folder, new URL(this.url).host, this.options);
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
    await rm(this.folder, { recursive: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = once(this.process, "exit");
      this.process.kill(signal);
      await ended;
    }
  }

  /** A session of the API, without a browser. */
  async api(): Promise<Api> {
    const response = await fetch(`${this.url}/api/login`, {
      method: "POST",
      body: JSON.stringify(USER),
    });
    const { KODOSUMI_API_KEY: token, id } = (await response.json()) as Record<string, string>;
    return new Api(this, token ?? "", id ?? "");
  }
}

/** What a test puts in place, and looks at, past the page. */
export class Api {
  constructor(
    private readonly server: Server,
    readonly token: string,
    readonly userId: string,
  ) {}

  async put(run: string, path: string, content: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const segments = path.split("/").map(encodeURIComponent);
    const response = await fetch(`${this.server.url}/files/${run}/${segments.join("/")}`, {
      method: "PUT",
      headers: { KODOSUMI_API_KEY: this.token },
      body: content,
    });
    if (!response.ok) {
      throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`);
    }
  }

  /** Puts empty files in place, past the server. */
  async write(run: string, folder: string, names: string[]): Promise<void> {
    const path = join(this.server.folder, "data", this.userId, run, folder);
    await mkdir(path, { recursive: true });
    for (const name of names) {
      await writeFile(join(path, name), "");
    }
  }

  /** The bytes of a file, as the server has them on its disk. */
  stored(run: string, path: string): Promise<Buffer> {
    return readFile(join(this.server.folder, "data", this.userId, run, path));
  }
}
