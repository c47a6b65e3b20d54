// SPDX-License-Identifier: MIT
// `hadal serve` with models/nano, as its users start it.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PROGRAM = process.env.HADAL_PROGRAM;
const MODEL = new URL("../../models/nano", import.meta.url).pathname;

// At temperature 0 nano answers this until its context ends: for tests that stop it.
export const ENDLESS = "1 2 3 4 5 6 7 8 9 10 11 12 13 14";

// A test that fails leaves its server behind: node does not wait for it, and it goes with node.
const children = [];
process.once("exit", () => children.forEach((child) => child.kill("SIGKILL")));

export class Server {
  #child;
  #log = "";
  #data = mkdtempSync(join(tmpdir(), "hadal-web-"));

  static async start({ key = false, context = 4096, more = [] } = {}) {
    if (!PROGRAM) throw new Error("HADAL_PROGRAM must name the program to test");
    const server = new Server();
    if (key) server.key = server.#add_key();
    await server.#start(context, more);
    return server;
  }

  #add_key() {
    const made = spawnSync(PROGRAM, ["keys", "add", "ann", "--data", this.#data], {
      encoding: "utf8",
    });
    if (made.status !== 0) throw new Error(made.stderr);
    return made.stdout.split("\n")[0];
  }

  async #start(context, more) {
    const words = [
      "serve",
      "--model",
      MODEL,
      "--data",
      this.#data,
      "--context",
      String(context),
      "--slots",
      "3",
      "--threads",
      "2",
    ];
    if (!more.includes("--port")) words.push("--port", "0");
    this.#child = spawn(PROGRAM, [...words, ...more], { stdio: ["ignore", "pipe", "pipe"] });
    children.push(this.#child);
    this.#child.stderr.on("data", (text) => (this.#log += text));
    const lines = createInterface({ input: this.#child.stdout });
    for await (const line of lines) {
      const chat = /^chat at (http:\/\/127\.0\.0\.1:(\d+))\/$/.exec(line);
      if (!chat) continue;
      this.url = chat[1];
      this.port = chat[2];
      for (const held of [this.#child, this.#child.stdout, this.#child.stderr]) held.unref();
      return;
    }
    throw new Error(`hadal serve did not start: ${this.#log}`);
  }

  async metric(name) {
    const headers = this.key ? { Authorization: `Bearer ${this.key}` } : {};
    const page = await (await fetch(`${this.url}/metrics`, { headers })).text();
    const line = page.split("\n").find((one) => one.startsWith(`${name}{`));
    return line === undefined ? NaN : Number(line.split(" ").at(-1));
  }

  // Resolves with the exit code.
  async stop() {
    this.#child.ref();
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    const code = await ended;
    rmSync(this.#data, { recursive: true, force: true });
    return code;
  }
}

// Waits until `condition` holds; what is tested has no clock of its own.
export async function soon(condition, what) {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`it did not happen: ${what}`);
}
