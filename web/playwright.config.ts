import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

// Debian's, or whichever is named: nothing is downloaded for the tests.
const chromium = process.env["TWINFS_CHROMIUM"] ?? "/usr/bin/chromium";
if (!existsSync(chromium)) {
  throw new Error(`no browser at ${chromium}: install Debian's chromium, or set TWINFS_CHROMIUM`);
}

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  forbidOnly: true,
  fullyParallel: true,
  workers: 2,
  timeout: 400_000,
  expect: { timeout: 90_000 },
  reporter: [["list"]],
  use: {
    launchOptions: {
      executablePath: chromium,
      // Some start inside containers as root, where the sandbox cannot be set up.
      chromiumSandbox: process.getuid?.() !== 0,
      args: [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-gpu",
        "--disable-quic",
        "--disable-sync",
        "--no-first-run",
      ],
    },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    screenshot: "only-on-failure",
  },
});
