import type { Locator } from "@playwright/test";

import { USER } from "./server";
import { download, expect, files, logIn, test } from "./fixtures";

const HOSTILE = [
  "<img src=x onerror=alert(1)>.txt",
  "</bdi></a><script>alert(2)<\\script>.txt",
  `"double" 'single' &amp; & %41 #a ?b=c;+.csv`,
  "{{ 7 * 7 }} ${7*7} [[x]].html",
  "javascript:alert(3)",
  "  two  blanks  ",
  "Ünïcødé 日本語 😀 العربية.txt",
  "invoice\u202Efdp.exe",
  "folder <b>bold<\\b>/in & below/x.txt",
  "x".repeat(251) + ".txt",
];

test("a wrong password is told, a right one leads to the page asked for", async ({
  page,
  server,
}) => {
  await page.goto(`${server.url}/runs/some-run?in=a`);
  await expect(page).toHaveTitle("Log in · twinfs");
  await logIn(page, "wrong");
  await expect(page.getByRole("alert")).toHaveText("Invalid name or password");
  await expect(page.getByLabel("Password")).toHaveValue("");
  // By keyboard alone: the first field has the focus.
  await expect(page.getByLabel("Name")).toBeFocused();
  await page.keyboard.type(USER.name);
  await page.keyboard.press("Tab");
  await page.keyboard.type(USER.password);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${server.url}/runs/some-run?in=a`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Run some-run");
});

test("logged out, nothing is shown any more", async ({ user: page, server, api }) => {
  await api.put("run", "in/secret-name.txt", "x");
  await page.goto(`${server.url}/runs/run`);
  await expect(page.getByText("secret-name.txt")).toBeVisible();
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page).toHaveTitle("Log in · twinfs");
  await page.goBack();
  await expect(page).toHaveTitle("Log in · twinfs");
  await page.goto(`${server.url}/files/run/in/secret-name.txt`);
  await expect(page).toHaveTitle("Log in · twinfs");
});

test("runs are listed, the newest first, and new ones begin empty", async ({
  user: page,
  server,
  api,
}) => {
  await expect(page.getByText("You have no runs yet")).toBeVisible();
  for (const run of ["first", "second", "third & <last>"]) {
    await api.put(encodeURIComponent(run), "in/a.txt", "12345");
  }
  await api.put("second", "out/b.txt", "1234567890");
  await page.reload();
  const names = page.getByRole("row").locator("bdi");
  await expect(names).toHaveText(["second", "third & <last>", "first"]);
  await expect(page.getByRole("row", { name: "second" })).toContainText("15 bytes");
  await page.getByRole("link", { name: "third & <last>" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Run third & <last>");
  expect((await files(page, "Input files")).map(([name]) => name)).toEqual(["a.txt"]);
  await expect(page.getByText("No results yet.")).toBeVisible();

  await page.goto(server.url);
  await page.getByRole("link", { name: "New run" }).click();
  await expect(page).toHaveURL(/\/runs\/[0-9a-f-]{36}$/);
  await expect(page.getByText("No input files yet.")).toBeVisible();

  // A run may be called so, too.
  await api.put("new", "in/of-new.txt", "x");
  await page.goto(server.url);
  await page.getByRole("link", { name: "new", exact: true }).click();
  await expect(page.getByText("of-new.txt")).toBeVisible();
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    // All links in view: without JavaScript, a click may come before the scrolling it needs has been drawn.
    test.use({ javaScriptEnabled, viewport: { width: 1280, height: 1200 } });

    test("names are shown as they are, and downloads have the file's bytes", async ({
      user: page,
      server,
      api,
    }) => {
      const contents = new Map(HOSTILE.map((name) => [name, Buffer.from(`bytes of ${name}`)]));
      for (const [name, content] of contents) {
        await api.put("run", `in/${name}`, new Uint8Array(content));
      }
      await api.put("run", "out/empty.txt", "");
      await page.reload();
      await page.getByRole("link", { name: "run", exact: true }).click();
      await expect(page).toHaveTitle("Run run · twinfs");
      const sorted = [...HOSTILE].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect((await files(page, "Input files")).map(([name]) => name)).toEqual(sorted);
      expect((await files(page, "Results")).map((row) => row.slice(0, 2))).toEqual([
        ["empty.txt", "0 bytes"],
      ]);
      for (const name of HOSTILE) {
        const link = page
          .getByRole("table", { name: "Input files" })
          .getByText(name, { exact: true });
        await expect(link).toBeVisible();
      }
      const link = (heading: string): Locator =>
        page.getByRole("table", { name: heading }).getByRole("link");
      expect((await download(page, link("Results"))).bytes).toHaveLength(0);
      for (const [row, name] of sorted.entries()) {
        const { bytes } = await download(page, link("Input files").nth(row));
        expect(bytes.equals(contents.get(name) ?? Buffer.alloc(0)), name).toBe(true);
      }
      if (!javaScriptEnabled) {
        await expect(page.locator("noscript")).toBeVisible();
        await expect(page.locator("time").first()).toContainText("UTC");
      }
      await page.goto(`${server.url}/files/run/in/missing.txt`);
      await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
      await page.getByRole("link", { name: "Back to the runs" }).click();
      await expect(page).toHaveURL(`${server.url}/`);
    });
  });
}

test("dates are in the reader's own time", async ({ user: page, server, api }) => {
  await api.put("run", "in/a.txt", "x");
  await page.goto(`${server.url}/runs/run`);
  const time = page.locator("time");
  const date = new Date((await time.getAttribute("datetime")) ?? "");
  const local = new Intl.DateTimeFormat("en-GB", {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: "Europe/Berlin",
  });
  await expect(time).toHaveText(local.format(date));
});

test("a long list comes in pages", async ({ user: page, server, api }) => {
  const names = Array.from({ length: 1001 }, (_, n) => `f${String(n).padStart(4, "0")} &.txt`);
  await api.write("run", "in", names);
  await page.goto(`${server.url}/runs/run`);
  const shown: (string | undefined)[] = [];
  for (;;) {
    shown.push(...(await files(page, "Input files")).map(([name]) => name));
    const next = page.getByRole("link", { name: "More files" });
    if ((await next.count()) === 0) {
      break;
    }
    const address = await next.evaluate((link) => (link as HTMLAnchorElement).href);
    await next.click();
    await page.waitForURL(address);
  }
  expect(shown).toEqual(names);
  await page.getByRole("link", { name: "First files" }).click();
  await expect(page.getByText("f0000 &.txt")).toBeVisible();
});

test.describe("on a small screen", () => {
  test.use({ viewport: { width: 360, height: 740 } });

  test("counts say what they count, for their columns have no headings", async ({
    user: page,
    api,
  }) => {
    await api.put("run", "in/a.txt", "x");
    await api.put("run", "out/b.txt", "x");
    await api.put("other", "in/a.txt", "x");
    await page.reload();
    await expect(page.getByRole("row", { name: /^run 2 files/ })).toBeVisible();
    await expect(page.getByRole("row", { name: /^other 1 file\b/ })).toBeVisible();
  });
});
