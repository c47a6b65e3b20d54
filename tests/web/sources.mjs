// SPDX-License-Identifier: MIT
// The page's own modules, compiled as the build compiles them, for tests without a browser.
import { spawnSync } from "node:child_process";
import { webcrypto } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

globalThis.crypto ??= webcrypto; // Node 18 keeps it elsewhere than browsers do

const folder = mkdtempSync(join(tmpdir(), "hadal-web-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

export async function load(name) {
  const source = new URL(`../../web/src/${name}.ts`, import.meta.url).pathname;
  const compiled = join(folder, `${name}.mjs`);
  const made = spawnSync(
    "esbuild",
    [
      "--bundle",
      "--format=esm",
      "--target=es2022",
      "--log-level=warning",
      source,
      `--outfile=${compiled}`,
    ],
    { encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(made.error?.message ?? made.stderr);
  return import(compiled);
}
