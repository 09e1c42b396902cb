import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { AxeBuilder } from "@axe-core/playwright";

import { USER } from "./server";
import { expect, give, localFile, logIn, test } from "./fixtures";

test("the content security policy is in force", async ({ user: page, complaints }) => {
  const thrown = await page.evaluate(() => {
    const image = document.createElement("img");
    image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
    document.body.append(image);
    document.body.setAttribute("style", "color: red");
    try {
      document.body.innerHTML = "<p>gone</p>";
    } catch (error) {
      return String(error);
    }
    return "nothing";
  });
  expect(thrown).toContain("TrustedHTML");
  await expect
    .poll(() => complaints.all.join("\n"))
    .toMatch(/img-src[^]*style-src|style-src[^]*img-src/);
  await expect(page.getByRole("heading", { name: "Runs" })).toBeVisible();
  await expect(page).toHaveTitle("Runs · twinfs");
  // The fixture holds complaints against a test.
  complaints.all.length = 0;
});

test("a page of another site can neither log its visitor in nor act for one", async ({
  user: page,
  server,
  context,
}) => {
  const form = `<form method="post" action="${server.url}/login">
    <input name="name" value="${USER.name}"><input name="password" value="${USER.password}">
    <button>go</button></form><a href="${server.url}/login?name=${USER.name}&password=x">link</a>
    <form method="post" action="${server.url}/logout"><button>out</button></form>`;
  // Another port is another origin, but the same site: cookies go along.
  const foreign = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8").end(form);
  }).listen(0, "127.0.0.1");
  await once(foreign, "listening");
  try {
    const address = `http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`;
    for (const click of ["go", "link", "out"]) {
      await page.goto(address);
      await page.getByText(click, { exact: true }).click();
      await expect(page.getByText("comes from a page of another site")).toBeVisible();
    }
    // Still logged in as before; a link that only leads here is no attack.
    await page.goto(server.url);
    await expect(page.getByRole("heading", { name: "Runs" })).toBeVisible();
    await context.clearCookies();
    await page.goto(address);
    await page.getByText("go", { exact: true }).click();
    await expect(page.getByText("comes from a page of another site")).toBeVisible();
    expect(await context.cookies()).toEqual([]);
  } finally {
    foreign.close();
  }
});

test("scripts cannot read the cookie", async ({ user: page, context }) => {
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ name: "kodosumi_jwt", httpOnly: true, sameSite: "Lax" });
  expect(await page.evaluate(() => document.cookie)).toBe("");
});

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme, viewport: { width: 360, height: 740 } });

    test("pages fit a small screen and are accessible", async ({ page, server, api }) => {
      await api.put("run", `in/${"long".repeat(60)}.txt`, "x");
      await api.put("run", "out/a.txt", "x");
      const check = async (what: string) => {
        const { violations } = await new AxeBuilder({ page }).analyze();
        const found = violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map((n) => n.html).join(" ")}`,
        );
        expect(found, what).toEqual([]);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        expect(width, `width of ${what}`).toBe(360);
      };
      await page.goto(server.url);
      await check("the log-in page");
      await logIn(page, "wrong");
      await expect(page.getByRole("alert")).toBeVisible();
      await check("the log-in page after a wrong password");
      await logIn(page);
      await expect(page.getByRole("heading", { name: "Runs" })).toBeVisible();
      await check("the runs");
      await page.goto(`${server.url}/runs/run`);
      await expect(page.getByText("Drop files here")).toBeVisible();
      await check("a run");
      await give(page, localFile("a.bin", 10), localFile("b.bin", 10), localFile(".twinfs-x", 1));
      await expect(page.getByRole("alert")).not.toBeEmpty();
      await check("a run with files to upload");
      await page.goto(`${server.url}/nowhere`);
      await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
      await check("an error");
    });
  });
}
