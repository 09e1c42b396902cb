import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import {
  countRequests,
  expect,
  expectComplete,
  files,
  give,
  holdChunks,
  localFile,
  logIn,
  startUpload,
  test,
} from "./fixtures";

const MIB = 1024 * 1024;

test.beforeEach(async ({ user: page, server }) => {
  await page.goto(`${server.url}/runs/run`);
  await expect(page.getByText("Drop files here")).toBeVisible();
});

test("several files go up with progress and are listed", async ({ user: page, api }) => {
  const large = localFile("large <b>&.bin", 5 * MIB + 123);
  const small = localFile(`"small" 'Ü' 😀.txt`, 7);
  const empty = localFile("empty", 0);
  const letGo = await holdChunks(page, 4);
  await give(page, large, small, empty);
  await startUpload(page);
  const status = page.locator("#upload .uppy-StatusBar");
  await expect(status).toContainText(/Uploading: [1-9]\d?%/);
  await expect(status).toContainText("of 5.0 MB");
  letGo();
  await expectComplete(page);

  for (const file of [large, small, empty]) {
    expect((await api.stored("run", `in/${file.name}`)).equals(file.buffer), file.name).toBe(true);
  }
  const names = [`"small" 'Ü' 😀.txt`, "empty", "large <b>&.bin"];
  await expect(page.locator("#in tbody bdi")).toHaveText(names);
  const listed = await files(page, "Input files");
  expect(listed.map((row) => row[1])).toEqual(["7 bytes", "0 bytes", "5.0 MiB"]);
  // What the script put into the table is what the server puts there.
  const elements = () =>
    page.locator("#in tbody *").evaluateAll((all) =>
      all.map((element) => {
        const attributes = [...element.attributes].map(({ name, value }) => `${name}=${value}`);
        return [
          element.tagName,
          ...attributes.sort(),
          element.textContent.replaceAll("\n", ""),
        ].join(" | ");
      }),
    );
  const before = await elements();
  await page.reload();
  await expect(page.locator("time[title]")).toHaveCount(3);
  expect(await elements()).toEqual(before);
});

test("folders keep their structure, and go where they are told to", async ({
  user: page,
  server,
  api,
}) => {
  const folder = join(server.folder, "photos");
  await mkdir(join(folder, "2026"), { recursive: true });
  await writeFile(join(folder, "a.jpg"), "A");
  await writeFile(join(folder, "2026", "b & c.jpg"), "BC");
  await page.getByRole("radio", { name: "Results" }).check();
  await page.locator("#upload input[webkitdirectory]").first().setInputFiles(folder);
  await startUpload(page);
  await expectComplete(page);
  await expect(page.locator("#out tbody bdi")).toHaveText([
    "photos/2026/b & c.jpg",
    "photos/a.jpg",
  ]);
  expect((await api.stored("run", "out/photos/2026/b & c.jpg")).toString()).toBe("BC");
});

test("an upload goes on by itself after the server was killed", async ({
  user: page,
  server,
  api,
}) => {
  const file = localFile("file.bin", 12 * MIB + 1);
  const requests = countRequests(page);
  const letGo = await holdChunks(page, 6);
  await give(page, file);
  await startUpload(page);
  await expect.poll(() => requests.get("POST /files/chunk") ?? 0).toBeGreaterThan(8);
  await server.kill();
  letGo();
  await expect.poll(() => requests.get("POST /files/chunk") ?? 0).toBeGreaterThan(14);
  const restarted = await server.restart();
  try {
    await expectComplete(page);
    expect((await api.stored("run", "in/file.bin")).equals(file.buffer)).toBe(true);
    expect(requests.get("POST /files/init"), "it went on where it was").toBe(1);
  } finally {
    await restarted.kill();
  }
});

test("after a reload the same file goes on where it stopped", async ({
  user: page,
  server,
  api,
}) => {
  const path = join(server.folder, "file.bin");
  const file = localFile("file.bin", 10 * MIB);
  await writeFile(path, file.buffer);
  const input = page.locator("#upload input[type=file]").first();
  const requests = countRequests(page);
  const letGo = await holdChunks(page, 6);
  await input.setInputFiles(path);
  await startUpload(page);
  await expect.poll(() => requests.get("POST /files/chunk") ?? 0).toBe(6 + 4);
  // It asks before it breaks an upload off.
  const asked = page.waitForEvent("dialog");
  await page.reload();
  expect((await asked).type()).toBe("beforeunload");
  letGo();
  requests.clear();
  await input.setInputFiles(path);
  await startUpload(page);
  await expectComplete(page);
  expect(requests.get("POST /files/init")).toBeUndefined();
  expect(requests.get("POST /files/chunk")).toBe(4);
  expect((await api.stored("run", "in/file.bin")).equals(file.buffer)).toBe(true);
});

test("an upload pauses and goes on", async ({ user: page, api }) => {
  const file = localFile("file.bin", 8 * MIB);
  const letGo = await holdChunks(page, 3);
  await give(page, file);
  await startUpload(page);
  await expect(page.locator("#upload .uppy-StatusBar")).toContainText(/Uploading: \d+%/);
  await page.locator("#upload .uppy-StatusBar").getByRole("button", { name: "Pause" }).click();
  await expect(page.locator("#upload .uppy-StatusBar")).toContainText("Paused");
  letGo();
  await page.locator("#upload .uppy-StatusBar").getByRole("button", { name: "Resume" }).click();
  await expectComplete(page);
  expect((await api.stored("run", "in/file.bin")).equals(file.buffer)).toBe(true);
});

test("a cancelled upload is dropped by the server", async ({ user: page }) => {
  await holdChunks(page, 2);
  await give(page, localFile("file.bin", 6 * MIB));
  await startUpload(page);
  await expect(page.locator("#upload .uppy-StatusBar")).toContainText(/Uploading: [1-9]\d?%/);
  const dropped = page.waitForResponse((response) => response.url().includes("/files/cancel/"));
  await page.locator("#upload .uppy-StatusBar").getByRole("button", { name: "Cancel" }).click();
  expect((await dropped).status()).toBe(204);
  await expect(page.getByText("Drop files here")).toBeVisible();
  await expect(page.getByText("No input files yet.")).toBeVisible();
});

test("what a proxy finds too large is sent in smaller chunks", async ({ user: page, api }) => {
  const limit = 300 * 1024;
  const sizes: number[] = [];
  await page.route("**/files/chunk", async (route) => {
    const size = route.request().postDataBuffer()?.length ?? 0;
    sizes.push(size);
    await (size > limit
      ? route.fulfill({ status: 413, body: "<h1>Too large</h1>" })
      : route.continue());
  });
  const file = localFile("file.bin", 2 * MIB);
  await give(page, file);
  await startUpload(page);
  await expectComplete(page);
  expect(Math.max(...sizes)).toBeGreaterThan(limit);
  expect((await api.stored("run", "in/file.bin")).equals(file.buffer)).toBe(true);
});

test("a failure is told in words, and can be tried again", async ({ user: page, api }) => {
  const detail = "The server has no <i>space</i> left for this";
  await page.route("**/files/complete/**", (route) =>
    route.fulfill({
      status: 507,
      contentType: "application/json",
      body: JSON.stringify({ detail }),
    }),
  );
  const file = localFile("file.bin", 3 * MIB);
  await give(page, file);
  await startUpload(page);
  await expect(page.getByRole("alert")).toHaveText(`Failed to upload file.bin: ${detail}`);
  await page.unrouteAll();
  const requests = countRequests(page);
  await page.locator("#upload .uppy-StatusBar").getByRole("button", { name: "Retry" }).click();
  await expectComplete(page);
  await expect(page.getByRole("alert")).toHaveText("");
  expect(requests.get("POST /files/chunk"), "nothing is sent twice").toBeUndefined();
  expect((await api.stored("run", "in/file.bin")).equals(file.buffer)).toBe(true);
});

test("who was logged out meanwhile logs in elsewhere and goes on", async ({
  user: page,
  server,
  context,
}) => {
  await give(page, localFile("file.bin", 10));
  await context.clearCookies();
  await startUpload(page);
  await expect(page.getByRole("alert")).toContainText("You are logged out");
  const other = await context.newPage();
  await other.goto(server.url);
  await logIn(other);
  await expect(other.getByRole("heading", { name: "Runs" })).toBeVisible();
  await page.locator("#upload .uppy-StatusBar").getByRole("button", { name: "Retry" }).click();
  await expectComplete(page);
});

test("names that the server would refuse are refused at once", async ({ user: page }) => {
  await give(
    page,
    localFile(".twinfs-mine", 1),
    localFile("x".repeat(256), 1),
    localFile("good", 1),
  );
  await expect(page.getByRole("alert")).toContainText(".twinfs-mine cannot be uploaded");
  await expect(page.getByRole("alert")).toContainText("Its name is too long");
  await expect(page.getByRole("button", { name: "Upload 1 file" })).toBeVisible();
});

test.describe("on a small screen", () => {
  test.use({ viewport: { width: 360, height: 740 } });

  test("the words of an upload end before its buttons", async ({ user: page }) => {
    await holdChunks(page, 4);
    await give(page, localFile("file.bin", 8 * MIB), localFile("b", 10), localFile("c", 100));
    await startUpload(page);
    const words = page.locator("#upload .uppy-StatusBar-statusSecondary");
    await expect(words).toContainText(/of 3 files uploaded.*left/);
    const { x, width } = (await words.boundingBox()) ?? { x: NaN, width: NaN };
    const buttons = await page.locator("#upload .uppy-StatusBar-actions").boundingBox();
    expect(x + width).toBeLessThan(buttons?.x ?? NaN);
  });
});
