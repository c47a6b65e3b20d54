// SPDX-License-Identifier: MIT
// What goes over the wire, as a person with curl sees it and as Prometheus reads it.
//
// curl/*.txt are transcripts: a line that begins with "$ " is given to a shell (URL and KEY are set),
// what follows must come out.  "…" stands for anything within a line; a line of "…" for any lines.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import parsePrometheusTextFormat from "parse-prometheus-text-format";
import { Server } from "./server.mjs";

let server;
before(async () => {
  server = await Server.start({ key: true });
});
after(async () => assert.equal(await server.stop(), 0));

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function pattern_of(lines) {
  const parts = lines.map((line) =>
    line === "…" ? "(?:[^\\n]*\\n)*?" : `${line.split("…").map(escaped).join("[^\\n]*")}\\n`,
  );
  return new RegExp(`^${parts.join("")}$`);
}

function* steps_of(transcript) {
  let step = null;
  for (const line of transcript.replace(/\n$/, "").split("\n")) {
    if (line.startsWith("$ ")) {
      if (step) yield step;
      step = { command: line.slice(2), expected: [] };
    } else if (step) {
      step.expected.push(line);
    }
  }
  if (step) yield step;
}

const folder = new URL("curl/", import.meta.url);
for (const file of readdirSync(folder).sort())
  test(`curl: ${file}`, () => {
    for (const { command, expected } of steps_of(readFileSync(new URL(file, folder), "utf8"))) {
      const ran = spawnSync("bash", ["-c", command], {
        encoding: "utf8",
        env: { ...process.env, URL: server.url, KEY: server.key },
        timeout: 30_000,
      });
      let out = ran.stdout.replaceAll("\r", "");
      if (out && !out.endsWith("\n")) out += "\n";
      assert.match(out, pattern_of(expected), `$ ${command}\n${out}${ran.stderr}`);
    }
  });

// What stands on the page, by name; all of it as the format wants it.
async function families_of(server) {
  const headers = server.key ? { Authorization: `Bearer ${server.key}` } : {};
  const response = await fetch(`${server.url}/metrics`, { headers });
  assert.match(response.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
  const page = await response.text();
  const families = parsePrometheusTextFormat(page);
  const by_name = new Map(families.map((family) => [family.name, family]));
  assert.equal(by_name.size, families.length, "every family stands together");
  for (const family of families) {
    assert.match(family.name, /^[a-zA-Z_:][a-zA-Z0-9_:]*$/);
    assert.ok(family.help, `${family.name} says what it is`);
    assert.ok(["COUNTER", "GAUGE", "HISTOGRAM"].includes(family.type), family.name);
    if (family.type === "COUNTER") assert.match(family.name, /_total$/);
    for (const sample of family.metrics) {
      if (family.type !== "HISTOGRAM") {
        assert.ok(Number.isFinite(Number(sample.value)), family.name);
        continue;
      }
      const counts = Object.entries(sample.buckets).map(([limit, count]) => [
        limit === "+Inf" ? Infinity : Number(limit),
        Number(count),
      ]);
      counts.sort((a, b) => a[0] - b[0]);
      for (let at = 1; at < counts.length; ++at)
        assert.ok(counts[at][1] >= counts[at - 1][1], `${family.name} grows`);
      assert.equal(counts.at(-1)[0], Infinity);
      const total = page.split("\n").find((line) => line.startsWith(`${family.name}_count{`));
      assert.equal(counts.at(-1)[1], Number(total.split(" ").at(-1)), family.name);
    }
  }
  return by_name;
}

test("Prometheus reads the metrics", async () => {
  const by_name = await families_of(server);
  for (const name of [
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:request_success_total",
    "vllm:num_requests_running",
    "vllm:time_to_first_token_seconds",
    "hadal:request_queue_time_seconds",
    "hadal:prefix_cache_bytes",
    "hadal:cost_total",
    "hadal:files",
  ])
    assert.ok(by_name.has(name), name);
  assert.ok(
    Number(by_name.get("vllm:generation_tokens_total").metrics[0].value) > 0,
    "the transcripts were counted",
  );
});

test("Prometheus reads them under the names of other servers, too", async () => {
  const other = await Server.start({ more: ["--metrics", "all"] });
  const by_name = await families_of(other);
  for (const name of [
    "hadal:device_mem_bytes",
    "hadal:kv_block_lifetime_seconds",
    "vllm:num_preemptions_total",
    "llamacpp:n_tokens_max",
    "sglang:cached_tokens_total",
  ])
    assert.ok(by_name.has(name), name);
  const pools = by_name.get("hadal:device_mem_bytes").metrics;
  assert.deepEqual(pools.map((pool) => pool.labels.pool), ["kv_cache", "prefix_cache", "weights"]);
  assert.ok(Number(pools[2].value) > 1e7, "nano's");
  assert.equal(await other.stop(), 0);
});
