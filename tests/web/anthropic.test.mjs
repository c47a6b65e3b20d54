// SPDX-License-Identifier: MIT
// The official Anthropic client, pointed at hadal by its base URL and nothing else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { ENDLESS, Server, soon } from "./server.mjs";

let server;
let client;
before(async () => {
  server = await Server.start();
  client = new Anthropic({ baseURL: server.url, apiKey: "any", maxRetries: 0 });
});
after(async () => assert.equal(await server.stop(), 0));

const hello = [{ role: "user", content: "Hello" }];
const greedy = { model: "nano", temperature: 0, max_tokens: 60 };
const TOOL = {
  name: "weather",
  description: "The weather",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

test("messages, whole and streamed, say the same", async () => {
  const whole = await client.messages.create({ ...greedy, messages: hello });
  assert.equal(whole.content[0].type, "text");
  assert.match(whole.content[0].text, /^Hello/);
  assert.equal(whole.stop_reason, "end_turn");
  assert.ok(
    whole.usage.input_tokens +
      whole.usage.cache_read_input_tokens +
      whole.usage.cache_creation_input_tokens >
      0,
  );
  let deltas = "";
  const kinds = [];
  const stream = client.messages.stream({ ...greedy, messages: hello });
  stream.on("text", (delta) => (deltas += delta));
  stream.on("streamEvent", (event) => kinds.push(event.type));
  const final = await stream.finalMessage();
  assert.equal(deltas, whole.content[0].text);
  assert.equal(final.content[0].text, deltas);
  assert.equal(final.stop_reason, "end_turn");
  assert.equal(kinds[0], "message_start");
  assert.deepEqual(kinds.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
  assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
});

test("limits and stop sequences have their reasons", async () => {
  const short = await client.messages.create({ ...greedy, max_tokens: 3, messages: hello });
  assert.equal(short.stop_reason, "max_tokens");
  const whole = await client.messages.create({ ...greedy, messages: hello });
  const word = whole.content[0].text.split(" ").at(-2);
  const stopped = await client.messages.create({
    ...greedy,
    messages: hello,
    stop_sequences: [word],
  });
  assert.equal(stopped.stop_reason, "stop_sequence");
  assert.equal(stopped.stop_sequence, word);
});

test("tools are offered, and a call's result is read", async () => {
  const offered = await client.messages.create({ ...greedy, messages: hello, tools: [TOOL] });
  assert.ok(["end_turn", "tool_use", "max_tokens"].includes(offered.stop_reason));
  const tokens = (usage) =>
    usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
  const told = await client.messages.create({
    ...greedy,
    tools: [TOOL],
    system: [{ type: "text", text: "Be brief", cache_control: { type: "ephemeral" } }],
    messages: [
      ...hello,
      {
        role: "assistant",
        content: [{ type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Ulm" } }],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "rain" }] },
    ],
  });
  assert.ok(tokens(told.usage) > tokens(offered.usage), "call and result are in the prompt");
});

test("tokens are counted as they are read", async () => {
  const counted = await client.messages.countTokens({ model: "nano", messages: hello });
  const read = await client.messages.create({ ...greedy, messages: hello });
  assert.equal(
    counted.input_tokens,
    read.usage.input_tokens +
      read.usage.cache_read_input_tokens +
      read.usage.cache_creation_input_tokens,
  );
});

test("a cancelled stream frees the server", async () => {
  const stream = client.messages.stream({
    ...greedy,
    max_tokens: 4000,
    messages: [{ role: "user", content: ENDLESS }],
  });
  let parts = 0;
  stream.on("text", () => {
    if (++parts === 5) stream.abort();
  });
  await assert.rejects(stream.done(), Anthropic.APIUserAbortError);
  await soon(
    async () => (await server.metric("vllm:num_requests_running")) === 0,
    "the server stops too",
  );
});

test("errors are the client's own kinds", async () => {
  const asks = (body) => client.messages.create({ ...greedy, messages: hello, ...body });
  await assert.rejects(
    asks({ max_tokens: "x" }),
    (error) =>
      error instanceof Anthropic.BadRequestError &&
      error.error.error.type === "invalid_request_error",
  );
  await assert.rejects(asks({ messages: [] }), Anthropic.BadRequestError);
  await assert.rejects(
    asks({ model: "gpt-x" }),
    (error) => [400, 404].includes(error.status) && error.error.type === "error",
  );
  const guarded = await Server.start({ key: true });
  const at = (apiKey) => new Anthropic({ baseURL: guarded.url, apiKey, maxRetries: 0 });
  await assert.rejects(
    at("wrong").messages.create({ ...greedy, messages: hello }),
    Anthropic.AuthenticationError,
  );
  assert.equal(
    (await at(guarded.key).messages.create({ ...greedy, messages: hello })).role,
    "assistant",
  );
  assert.equal(await guarded.stop(), 0);
});

const SCHEMA = {
  type: "object",
  properties: {
    verdict: { type: "string", enum: ["yes", "no"] },
    points: { type: "array", items: { type: "integer", minimum: 0, maximum: 9 }, maxItems: 3 },
  },
  required: ["verdict", "points"],
  additionalProperties: false,
};
const holds = (report) => {
  assert.ok(["yes", "no"].includes(report.verdict));
  assert.ok(report.points.length <= 3 && report.points.every((point) => Number.isInteger(point)));
};

test("an answer keeps to a schema, whole and streamed", async () => {
  const asked = {
    ...greedy,
    max_tokens: 200,
    messages: hello,
    output_config: { format: { type: "json_schema", schema: SCHEMA } },
  };
  const whole = await client.messages.create(asked);
  assert.equal(whole.stop_reason, "end_turn");
  holds(JSON.parse(whole.content[0].text));
  const final = await client.messages.stream(asked).finalMessage();
  assert.equal(final.content[0].text, whole.content[0].text);
});

test("a strict tool's input keeps to its schema, whole and as it is streamed", async () => {
  const asked = {
    ...greedy,
    max_tokens: 300,
    messages: hello,
    tools: [{ name: "report", description: "Reports", strict: true, input_schema: SCHEMA }],
    tool_choice: { type: "tool", name: "report" },
  };
  const whole = await client.messages.create(asked);
  assert.equal(whole.stop_reason, "tool_use");
  const call = whole.content.find((block) => block.type === "tool_use");
  assert.match(call.id, /^toolu_/);
  assert.equal(call.name, "report");
  holds(call.input);
  let parts = "";
  const stream = client.messages.stream(asked);
  stream.on("inputJson", (part) => (parts += part));
  const final = await stream.finalMessage();
  assert.equal(final.stop_reason, "tool_use");
  assert.deepEqual(JSON.parse(parts), call.input, "the parts are the whole");
  assert.deepEqual(final.content.find((block) => block.type === "tool_use").input, call.input);
});

test("what is thought stands in a block of its own, which may come back", async () => {
  const asked = { ...greedy, messages: hello, thinking: { type: "enabled", budget_tokens: 1024 } };
  const whole = await client.messages.create(asked);
  assert.equal(whole.content[0].type, "thinking");
  assert.ok(whole.content[0].signature.length > 0);
  let deltas = "";
  const stream = client.messages.stream(asked);
  stream.on("thinking", (delta) => (deltas += delta));
  const [thought] = (await stream.finalMessage()).content;
  assert.equal(thought.type, "thinking");
  assert.ok(deltas.length > 0);
  assert.equal(thought.thinking, deltas);
  assert.ok(thought.signature.length > 0);
  const next = await client.messages.create({
    ...asked,
    messages: [
      ...hello,
      { role: "assistant", content: [thought, { type: "text", text: "Hello to you" }] },
      { role: "user", content: "And now?" },
    ],
  });
  assert.equal(next.content[0].type, "thinking");
});

test("a picture is described, and one that is none is refused by its place", async () => {
  const drawn = await fetch(`${server.url}/v1/images/generations`, {
    method: "POST",
    body: JSON.stringify({ prompt: "a large red circle, middle centre, on white", seed: 1 }),
  });
  const show = (data) => ({
    ...greedy,
    messages: [
      {
        role: "user",
        content: [{ type: "image", source: { type: "base64", media_type: "image/png", data } }],
      },
    ],
  });
  const shown = show((await drawn.json()).data[0].b64_json);
  const said = await client.messages.create(shown);
  assert.match(said.content[0].text, /circle/);
  assert.equal(said.stop_reason, "end_turn");
  const counted = await client.messages.countTokens({
    model: "nano",
    messages: shown.messages,
  });
  assert.ok(counted.input_tokens > 16, "the cells of 64x64 pixels");
  await assert.rejects(
    client.messages.create(show("iVBORw0KGgo=")),
    (error) =>
      error instanceof Anthropic.BadRequestError &&
      error.error.error.message.startsWith("messages[0].content[0]"),
  );
});
