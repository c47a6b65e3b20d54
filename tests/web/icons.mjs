// SPDX-License-Identifier: MIT
// Draws web/icons/icon-*.png anew from icon.svg:  node tests/web/icons.mjs
import { readFileSync } from "node:fs";
import { launch } from "./browser.mjs";

const folder = new URL("../../web/icons/", import.meta.url).pathname;
const svg = readFileSync(folder + "icon.svg", "utf8");
const browser = await launch();
for (const size of [192, 512]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  // Square to the edges: phones cut their own corners.
  const square = svg
    .replace('rx="116"', "")
    .replace("<svg ", `<svg width="${size}" height="${size}" `);
  await page.setContent(`<style>body{margin:0}svg{display:block}</style>${square}`);
  await page.screenshot({ path: `${folder}icon-${size}.png` });
}
await browser.close();
