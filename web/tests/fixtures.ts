/** A server, a session of its API and a browser that must not complain, for every test. */

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  type BrowserContext,
  type Download,
  type Locator,
  type Page,
  expect,
  test as base,
} from "@playwright/test";

import { type Api, Server, USER } from "./server";

/** What a browser says of pages that did something wrong. */
class Complaints {
  readonly all: string[] = [];

  watch(context: BrowserContext): void {
    context.on("console", (message) => {
      if (/content security policy|trusted ?type/i.test(message.text())) {
        this.all.push(message.text());
      }
    });
    context.on("weberror", (error) => this.all.push(String(error.error())));
    // A file name that was taken for markup would open one.
    context.on("dialog", (dialog) => {
      if (dialog.type() !== "beforeunload") {
        this.all.push(`dialog: ${dialog.message()}`);
      }
      void dialog.accept();
    });
  }
}

export const test = base.extend<{
  complaints: Complaints;
  server: Server;
  api: Api;
  /** Logged in, on the list of runs. */
  user: Page;
}>({
  complaints: [
    async ({ context }, use) => {
      const complaints = new Complaints();
      complaints.watch(context);
      await use(complaints);
      expect(complaints.all, "violations of the content security policy, and errors").toEqual([]);
    },
    { auto: true },
  ],
  // eslint-disable-next-line no-empty-pattern -- Playwright wants it so
  server: async ({}, use) => {
    const server = await Server.start();
    await use(server);
    await server.stop();
  },
  api: async ({ server }, use) => {
    await use(await server.api());
  },
  user: async ({ page, server }, use) => {
    await page.goto(server.url);
    await logIn(page);
    await use(page);
  },
});

export { expect };

export async function logIn(page: Page, password = USER.password): Promise<void> {
  await page.getByLabel("Name").fill(USER.name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** The rows of a table of files: name, size, date. */
export async function files(page: Page, heading: "Input files" | "Results"): Promise<string[][]> {
  // A click that leads elsewhere waits for the page's first bytes only.
  await page.waitForLoadState();
  const rows = page.getByRole("table", { name: heading }).locator("tbody tr");
  return rows.evaluateAll((rows) =>
    rows.map((row) => [...row.querySelectorAll("bdi, data, time")].map((cell) => cell.textContent)),
  );
}

/** Downloads a file by its link, as a person does: where nothing comes, with another click. */
export async function download(
  page: Page,
  link: Locator,
): Promise<{ name: string; bytes: Buffer }> {
  const href = await link.evaluate((element) => (element as HTMLAnchorElement).href);
  let path = "";
  let name = "";
  await expect(async () => {
    // Of a click that came late, what another one has brought already may follow.
    const predicate = (download: Download): boolean => download.url() === href;
    const [download] = await Promise.all([
      page.waitForEvent("download", { predicate, timeout: 10_000 }),
      link.click({ timeout: 10_000 }),
    ]);
    name = download.suggestedFilename();
    path = await download.path();
  }).toPass();
  return { name, bytes: await readFile(path) };
}

export interface LocalFile {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

export function localFile(name: string, size: number): LocalFile {
  return { name, mimeType: "application/octet-stream", buffer: randomBytes(size) };
}

/** Hands files to the page of a run, as its "browse files" button does. */
export async function give(page: Page, ...given: LocalFile[]): Promise<void> {
  await page
    .locator("#upload input[type=file]:not([webkitdirectory])")
    .first()
    .setInputFiles(given);
}

export async function startUpload(page: Page): Promise<void> {
  await page.getByRole("button", { name: /^Upload \d+ files?$/ }).click();
}

export async function expectComplete(page: Page): Promise<void> {
  await expect(page.locator("#upload .uppy-StatusBar")).toContainText("Complete");
}

/** Counts requests of a page by method and the first two parts of their path. */
export function countRequests(page: Page): Map<string, number> {
  const counts = new Map<string, number>();
  page.on("request", (request) => {
    const path = new URL(request.url()).pathname.split("/", 3).join("/");
    const key = `${request.method()} ${path}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  });
  return counts;
}

/** Lets the first chunks through and holds the others back until they are let go. */
export async function holdChunks(page: Page, after: number): Promise<() => void> {
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  let seen = 0;
  await page.route("**/files/chunk", async (route) => {
    seen += 1;
    if (seen > after) {
      await held;
    }
    // The page may have given up on it meanwhile.
    await route.continue().catch(() => undefined);
  });
  return letGo;
}
