// SPDX-License-Identifier: MIT
// Debian's Chromium, driven by Playwright.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PROGRAMS = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];

// Quiet: nothing is fetched that a test did not ask for.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--font-render-hinting=none",
];

// With a fresh profile, which goes with the browser.
export function launch() {
  const executablePath = PROGRAMS.find((path) => existsSync(path));
  if (!executablePath) throw new Error(`no browser: expected one of ${PROGRAMS.join(", ")}`);
  return chromium.launch({ executablePath, args: FLAGS });
}
