// SPDX-License-Identifier: MIT
// Records pages as a visitor sees them, with Debian's headless Chromium and node's own modules.
//
//   node record.mjs FOLDER                  every NAME.html of FOLDER, under its NAME.script
//   node record.mjs FOLDER --script OTHER   the same pages under OTHER's scripts (for judging)
//
// NAME.script is JSON: {"frames": 9, "clicks": [{"frame": 3, "target": 0}]}; a target counts the
// page's buttons and summaries.  Beside each page come
//   NAME.ppm     the frames, 128 × 128, with the pointer drawn in; it turns red when it clicks
//   NAME.states  JSON: the body's outerHTML at the start and after every click
// A page that hangs or breaks leaves neither, and a line on stderr.  Pages see no network.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';

const SIDE = 128;
const PATIENCE_MS = 10000; // for one answer of the browser
const START_MS = 60000;    // for its first, on a busy machine
const BROWSERS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
// Large letters, no surprises: what a page does not say itself.
const STYLE = `<style>
  * { font: bold 19px/22px "DejaVu Sans", sans-serif; box-sizing: border-box }
  body { margin: 6px } h1 { margin: 0 0 6px; font-size: 26px; line-height: 28px }
  p { margin: 6px 0 } button { margin: 0 4px 0 0; padding: 1px 4px } b { margin-left: 6px }
</style>`;

function fail(message) {
  process.stderr.write(`record: ${message}\n`);
  process.exit(2);
}

// ---- the browser, over its debugging pipe: JSON with a zero byte behind each message ----

class Browser {
  constructor() {
    const program = BROWSERS.find(existsSync);
    if (!program) fail(`no browser; Debian's package chromium-headless-shell brings one`);
    this.profile = mkdtempSync(join(tmpdir(), 'hadal-record-'));
    this.child = spawn(program, [
      '--headless', '--remote-debugging-pipe', '--disable-gpu', '--hide-scrollbars',
      ...(process.getuid() === 0 ? ['--no-sandbox'] : []), // Chromium has none for root
      '--disable-extensions', '--disable-background-networking', '--no-first-run',
      '--force-device-scale-factor=1', '--font-render-hinting=none', '--disable-lcd-text',
      '--host-resolver-rules=MAP * ~NOTFOUND', `--user-data-dir=${this.profile}`, 'about:blank',
    ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true });
    this.next = 1;
    this.waiting = new Map();
    this.rest = [];
    this.child.stdio[4].on('data', (bytes) => this.receive(bytes));
    this.child.on('exit', () => { for (const w of this.waiting.values()) w.reject(new Error('the browser ended')); });
  }

  receive(bytes) {
    for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0)) {
      const message = JSON.parse(Buffer.concat([...this.rest, bytes.subarray(0, at)]).toString());
      this.rest = [];
      bytes = bytes.subarray(at + 1);
      const waiting = this.waiting.get(message.id);
      if (!waiting) continue; // an event
      this.waiting.delete(message.id);
      if (message.error) waiting.reject(new Error(message.error.message));
      else waiting.resolve(message.result);
    }
    if (bytes.length) this.rest.push(bytes);
  }

  send(method, params = {}, sessionId = undefined, patience = PATIENCE_MS) {
    const id = this.next++;
    this.child.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error(`${method}: no answer`));
      }, patience);
      this.waiting.set(id, {
        resolve: (value) => { clearTimeout(timer); resolve(value); },
        reject: (error) => { clearTimeout(timer); reject(error); },
      });
    });
  }

  async close() {
    this.child.removeAllListeners('exit');
    const ended = new Promise((resolve) => this.child.on('exit', resolve));
    process.kill(-this.child.pid, 'SIGKILL'); // the group: a page that hangs hears nothing else
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

// One tab; a page that hangs costs its tab, not the browser.
class Tab {
  static async open(browser) {
    const tab = new Tab();
    tab.browser = browser;
    tab.target = (await browser.send('Target.createTarget', { url: 'about:blank' },
      undefined, START_MS)).targetId;
    tab.session = (await browser.send('Target.attachToTarget',
      { targetId: tab.target, flatten: true })).sessionId;
    await tab.send('Page.enable');
    await tab.send('Emulation.setDeviceMetricsOverride',
      { width: SIDE, height: SIDE, deviceScaleFactor: 1, mobile: false });
    return tab;
  }
  send(method, params) { return this.browser.send(method, params, this.session); }
  close() { return this.browser.send('Target.closeTarget', { targetId: this.target }); }

  async show(html) {
    await this.send('Page.navigate', { url: 'about:blank' });
    const { frameTree } = await this.send('Page.getFrameTree');
    await this.send('Page.setDocumentContent', { frameId: frameTree.frame.id, html });
  }
  async value(expression) {
    const { result, exceptionDetails } =
      await this.send('Runtime.evaluate', { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.value;
  }
  // The middle of every button and summary; nothing where one is not shown.
  targets() {
    return this.value(`[...document.querySelectorAll('button, summary')].map((e) => {
      const r = e.getBoundingClientRect();
      return r.width > 0 ? [r.x + r.width / 2, r.y + r.height / 2] : null; })`);
  }
  state() { return this.value('document.body.outerHTML'); }
  async click(x, y) {
    const at = { x, y, button: 'left', clickCount: 1 };
    await this.send('Input.dispatchMouseEvent', { type: 'mousePressed', ...at });
    await this.send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...at });
  }
  async picture() {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    return decodePng(Buffer.from(data, 'base64'));
  }
}

// ---- PNG to RGB (PNG specification, sections 5, 9 and 10; 8 bits, RGB or RGBA, not interlaced) ----

function decodePng(bytes) {
  let channels = 0, width = 0, height = 0;
  const packed = [];
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at), type = bytes.toString('latin1', at + 4, at + 8);
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') {
      [width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
      channels = { 2: 3, 6: 4 }[body[9]];
      if (body[8] !== 8 || !channels || body[12] !== 0) throw new Error('a PNG of another kind');
    }
    if (type === 'IDAT') packed.push(body);
    at += length + 12;
  }
  const raw = inflateSync(Buffer.concat(packed)), stride = width * channels;
  const rows = Buffer.alloc(stride * height);
  for (let y = 0; y < height; ++y) unfilter(raw, rows, y, stride, channels);
  const rgb = Buffer.alloc(3 * width * height);
  for (let i = 0; i < width * height; ++i) rows.copy(rgb, 3 * i, channels * i, channels * i + 3);
  return { width, height, rgb };
}

function unfilter(raw, rows, y, stride, channels) {
  const filter = raw[y * (stride + 1)], from = y * (stride + 1) + 1, to = y * stride;
  for (let x = 0; x < stride; ++x) {
    const left = x >= channels ? rows[to + x - channels] : 0;
    const up = y > 0 ? rows[to + x - stride] : 0;
    const corner = x >= channels && y > 0 ? rows[to + x - stride - channels] : 0;
    const paeth = () => {
      const p = left + up - corner;
      const [a, b, c] = [Math.abs(p - left), Math.abs(p - up), Math.abs(p - corner)];
      return a <= b && a <= c ? left : b <= c ? up : corner;
    };
    const guess = [0, left, up, (left + up) >> 1, filter === 4 ? paeth() : 0][filter];
    rows[to + x] = raw[from + x] + guess;
  }
}

// ---- the pointer ----

const ARROW = [
  'b', 'bb', 'bwb', 'bwwb', 'bwwwb', 'bwwwwb', 'bwwwwwb', 'bwwwwwwb', 'bwwwwwwwb', 'bwwwwwbbbb',
  'bwwbwwb', 'bwb bwwb', 'bb  bwwb', 'b    bb',
];

function drawPointer({ width, height, rgb }, [px, py], pressed) {
  const colours = { b: [0, 0, 0], w: pressed ? [230, 30, 30] : [255, 255, 255] };
  ARROW.forEach((row, dy) => [...row].forEach((letter, dx) => {
    const x = Math.round(px) + dx, y = Math.round(py) + dy;
    if (letter !== ' ' && x < width && y < height) rgb.set(colours[letter], 3 * (y * width + x));
  }));
}

// ---- one page ----

// The pointer starts at the lower right and goes straight to each click in turn.
function pointerAt(frame, stops) {
  const after = stops.findIndex((stop) => stop.frame >= frame);
  if (after < 0) return stops.at(-1).at;
  if (after === 0) return stops[0].at;
  const [from, to] = [stops[after - 1], stops[after]];
  const share = (frame - from.frame) / (to.frame - from.frame);
  return from.at.map((value, axis) => value + share * (to.at[axis] - value));
}

async function record(tab, html, script) {
  await tab.show(`<!DOCTYPE html><html><head>${STYLE}</head>${html}</html>`);
  const states = [await tab.state()], frames = [];
  const targets = await tab.targets();
  const stops = [{ frame: 0, at: [100, 104] }];
  for (const { frame, target } of script.clicks) {
    const at = targets[target];
    if (!at) throw new Error(`nothing to click at ${target}`);
    stops.push({ frame, at });
  }
  if (stops.length === 1) stops.push({ frame: script.frames - 1, at: [60, 84] });
  for (let frame = 0; frame < script.frames; ++frame) {
    const at = pointerAt(frame, stops);
    await tab.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x: at[0], y: at[1] });
    const pressed = script.clicks.some((click) => click.frame === frame);
    if (pressed) {
      await tab.click(...at);
      states.push(await tab.state());
    }
    const picture = await tab.picture();
    drawPointer(picture, at, pressed);
    frames.push(Buffer.from(`P6 ${picture.width} ${picture.height} 255\n`), picture.rgb);
  }
  return { states, frames: Buffer.concat(frames) };
}

async function main() {
  const [folder, flag, other] = process.argv.slice(2);
  if (!folder || (flag && (flag !== '--script' || !other)))
    fail('usage: node record.mjs FOLDER [--script OTHER]');
  const names = readdirSync(folder).filter((file) => file.endsWith('.html')).sort()
    .map((file) => file.slice(0, -5));
  const browser = new Browser();
  let tab = await Tab.open(browser), broken = 0;
  const begin = Date.now();
  for (const name of names) {
    const path = join(folder, name);
    try {
      const script = JSON.parse(readFileSync(join(other ?? folder, `${name}.script`), 'utf8'));
      const { states, frames } = await record(tab, readFileSync(`${path}.html`, 'utf8'), script);
      writeFileSync(`${path}.ppm`, frames);
      writeFileSync(`${path}.states`, JSON.stringify(states));
    } catch (error) {
      ++broken;
      process.stderr.write(`record: ${name}: ${error.message}\n`);
      for (const ending of ['ppm', 'states']) rmSync(`${path}.${ending}`, { force: true });
      tab.close().catch(() => {});
      tab = await Tab.open(browser);
    }
  }
  await browser.close();
  const seconds = (Date.now() - begin) / 1000;
  process.stderr.write(`record: ${names.length - broken} of ${names.length} pages, ` +
    `${(names.length / seconds).toFixed(1)} a second\n`);
}

await main();
process.exit(0);
