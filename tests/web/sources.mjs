// SPDX-License-Identifier: MIT
// The page's own modules, compiled as the build compiles them, for tests without a browser.
import { spawnSync } from "node:child_process";

export async function load(name) {
  const file = new URL(`../../web/src/${name}.ts`, import.meta.url).pathname;
  const made = spawnSync("esbuild", ["--bundle", "--format=esm", "--target=es2022", "--log-level=warning", file], {
    encoding: "utf8",
    maxBuffer: 16 << 20,
  });
  if (made.status !== 0) throw new Error(made.error?.message ?? made.stderr);
  return import(`data:text/javascript;base64,${Buffer.from(made.stdout).toString("base64")}`);
}
