// SPDX-License-Identifier: MIT
// The official OpenAI client, pointed at hadal by its base URL and nothing else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { makeParseableResponseFormat } from "openai/lib/parser";
import { ENDLESS, Server, soon } from "./server.mjs";

let server;
let client;
before(async () => {
  server = await Server.start();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any", maxRetries: 0 });
});
after(async () => assert.equal(await server.stop(), 0));

const hello = [{ role: "user", content: "Hello" }];
const greedy = { model: "nano", temperature: 0, max_tokens: 60 };
const idle = () =>
  soon(
    async () => (await server.metric("vllm:num_requests_running")) === 0,
    "the server stops too",
  );
const TOOL = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

test("chat, whole and streamed, says the same", async () => {
  const whole = await client.chat.completions.create({ ...greedy, messages: hello });
  const said = whole.choices[0].message.content;
  assert.match(said, /^Hello/);
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.equal(whole.usage.prompt_tokens + whole.usage.completion_tokens, whole.usage.total_tokens);
  const stream = await client.chat.completions.create({
    ...greedy,
    messages: hello,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, said);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test("the client's own stream helper puts the answer together", async () => {
  const runner = client.chat.completions.stream({ ...greedy, messages: hello });
  let deltas = "";
  runner.on("content", (delta) => (deltas += delta));
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, deltas);
  assert.equal(final.choices[0].finish_reason, "stop");
});

test("tools are offered, and a call's result is read", async () => {
  const offered = await client.chat.completions.create({
    ...greedy,
    messages: hello,
    tools: [TOOL],
    tool_choice: "auto",
  });
  assert.ok(["stop", "tool_calls", "length"].includes(offered.choices[0].finish_reason));
  const call = {
    id: "call_1",
    type: "function",
    function: { name: "weather", arguments: '{"city":"Ulm"}' },
  };
  const told = await client.chat.completions.create({
    ...greedy,
    tools: [TOOL],
    messages: [
      ...hello,
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "call_1", content: "rain" },
    ],
  });
  assert.ok(
    told.usage.prompt_tokens > offered.usage.prompt_tokens,
    "call and result are in the prompt",
  );
});

test("a schema and a strict tool hold, whatever the model would say", async () => {
  const object = (properties) => ({
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  });
  const schema = object({
    verdict: { type: "string", enum: ["yes", "no"] },
    points: { type: "array", items: { type: "integer", minimum: 0, maximum: 9 }, maxItems: 3 },
  });
  const shaped = await client.chat.completions.create({
    ...greedy,
    max_tokens: 200,
    messages: hello,
    response_format: { type: "json_schema", json_schema: { name: "report", strict: true, schema } },
  });
  assert.equal(shaped.choices[0].finish_reason, "stop");
  const report = JSON.parse(shaped.choices[0].message.content);
  assert.ok(["yes", "no"].includes(report.verdict));
  assert.ok(report.points.length <= 3 && report.points.every((point) => Number.isInteger(point)));

  const parameters = object({ city: { type: "string", maxLength: 20 }, days: { enum: [1, 2, 3] } });
  const called = await client.chat.completions.create({
    ...greedy,
    max_tokens: 200,
    messages: hello,
    tools: [{ type: "function", function: { name: "weather", strict: true, parameters } }],
    tool_choice: { type: "function", function: { name: "weather" } },
  });
  assert.equal(called.choices[0].finish_reason, "tool_calls");
  const call = called.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, "weather");
  const told = JSON.parse(call.function.arguments);
  assert.ok([...told.city].length <= 20 && [1, 2, 3].includes(told.days));
});

test("logprobs", async () => {
  const reply = await client.chat.completions.create({
    ...greedy,
    messages: hello,
    logprobs: true,
    top_logprobs: 3,
  });
  const tokens = reply.choices[0].logprobs.content;
  assert.equal(tokens.map((token) => token.token).join(""), reply.choices[0].message.content);
  for (const token of tokens) {
    assert.equal(token.top_logprobs.length, 3);
    assert.ok(token.logprob <= 0 && token.top_logprobs[0].logprob >= token.logprob - 1e-5);
  }
});

test("a cancelled stream frees the server", async () => {
  const gone = await server.metric("hadal:http_gone_clients_total");
  const stream = await client.chat.completions.create({
    ...greedy,
    max_tokens: 4000,
    messages: [{ role: "user", content: ENDLESS }],
    stream: true,
  });
  let parts = 0;
  for await (const chunk of stream) if (chunk.choices[0].delta.content && ++parts === 5) break; // the client aborts
  assert.equal(parts, 5);
  await idle();
  assert.equal(await server.metric("hadal:http_gone_clients_total"), gone + 1);

  const abort = new AbortController();
  const whole = client.chat.completions.create(
    { ...greedy, max_tokens: 4000, messages: [{ role: "user", content: ENDLESS }] },
    { signal: abort.signal },
  );
  await soon(async () => (await server.metric("vllm:num_requests_running")) === 1, "it runs");
  abort.abort();
  await assert.rejects(whole, OpenAI.APIUserAbortError);
  await idle();
});

test("texts become vectors of unit length", async () => {
  const made = await client.embeddings.create({
    model: "nano",
    input: ["The sea is deep.", "The sea is deep.", "ls lists files."],
  });
  const [first, again, other] = made.data.map((one) => one.embedding);
  assert.ok(Math.abs(first.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-3);
  assert.deepEqual(first, again);
  assert.notDeepEqual(first, other);
  assert.ok(made.usage.prompt_tokens > 0);
});

test("errors are the client's own kinds", async () => {
  const asks = (body) => client.chat.completions.create({ ...greedy, messages: hello, ...body });
  await assert.rejects(
    asks({ model: "gpt-x" }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
  );
  await assert.rejects(
    asks({ temperature: "hot" }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature",
  );
  await assert.rejects(
    asks({ temperature: 9 }),
    (error) => [400, 422].includes(error.status) && error.param === "temperature",
  );
  await assert.rejects(
    asks({ messages: [] }),
    (error) => error.status === 400 && error.type === "invalid_request_error",
  );
  await assert.rejects(
    client.embeddings.create({ model: "nano", input: [] }),
    OpenAI.BadRequestError,
  );
  await assert.rejects(
    client.chat.completions.create({ ...greedy, messages: hello, n: 9 }),
    (error) => error.param === "n",
  );
});

test("a wrong key is an authentication error, a right one is enough", async () => {
  const guarded = await Server.start({ key: true });
  const at = (apiKey) => new OpenAI({ baseURL: `${guarded.url}/v1`, apiKey, maxRetries: 0 });
  await assert.rejects(at("sk-wrong").models.list(), OpenAI.AuthenticationError);
  assert.equal((await at(guarded.key).models.list()).data[0].id, "nano");
  assert.equal(await guarded.stop(), 0);
});

test("several answers to one prompt, whole and streamed", async () => {
  const asked = { ...greedy, temperature: 1, seed: 5, max_tokens: 12, messages: hello, n: 3 };
  const whole = await client.chat.completions.create(asked);
  assert.deepEqual(whole.choices.map((choice) => choice.index), [0, 1, 2]);
  const one = await client.chat.completions.create({ ...asked, n: 1, seed: 6 });
  assert.equal(whole.choices[1].message.content, one.choices[0].message.content);
  assert.equal(whole.usage.prompt_tokens, one.usage.prompt_tokens);
  const said = ["", "", ""];
  const stream = await client.chat.completions.create({ ...asked, stream: true });
  for await (const chunk of stream)
    for (const choice of chunk.choices) said[choice.index] += choice.delta.content ?? "";
  assert.deepEqual(said, whole.choices.map((choice) => choice.message.content));

  const told = await client.completions.create({
    model: "nano",
    prompt: ["The sea is deep", "LS(1)"],
    max_tokens: 0,
    echo: true,
    logprobs: 0,
  });
  assert.deepEqual(told.choices.map((choice) => choice.text), ["The sea is deep", "LS(1)"]);
  const { tokens, token_logprobs: logprobs } = told.choices[0].logprobs;
  assert.equal(tokens.join(""), "The sea is deep");
  assert.equal(logprobs[0], null);
  assert.ok(logprobs.slice(1).every((logprob) => logprob < 0));
});

test("completions, and filling in the middle", async () => {
  const whole = await client.completions.create({ ...greedy, max_tokens: 8, prompt: "LS(1)" });
  assert.equal(whole.object, "text_completion");
  const stream = await client.completions.create({
    ...greedy,
    max_tokens: 8,
    prompt: "LS(1)",
    stream: true,
  });
  let text = "";
  for await (const part of stream) text += part.choices[0]?.text ?? "";
  assert.equal(text, whole.choices[0].text);
});

test("responses, whole and streamed", async () => {
  const whole = await client.responses.create({
    model: "nano",
    temperature: 0,
    max_output_tokens: 60,
    input: "Hello",
  });
  assert.equal(whole.status, "completed");
  assert.match(whole.output_text, /^Hello/);
  const kinds = [];
  let text = "";
  const stream = await client.responses.create({
    model: "nano",
    temperature: 0,
    max_output_tokens: 60,
    input: "Hello",
    stream: true,
  });
  for await (const event of stream) {
    kinds.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.equal(text, whole.output_text);
  assert.equal(kinds[0], "response.created");
  assert.equal(kinds.at(-1), "response.completed");
  await assert.rejects(
    client.responses.create({ model: "nano", input: "x", previous_response_id: "resp_1" }),
    OpenAI.BadRequestError,
  );
});

test("models", async () => {
  const list = await client.models.list();
  assert.deepEqual(
    list.data.map((model) => model.id),
    ["nano"],
  );
  assert.equal((await client.models.retrieve("nano")).object, "model");
  await assert.rejects(client.models.retrieve("other"), OpenAI.NotFoundError);
});

test("files: sent, listed, fetched, named, deleted", async () => {
  const bytes = Buffer.from("GIF89a and no more of a picture");
  const sent = await client.files.create({
    file: await toFile(bytes, "first.gif"),
    purpose: "vision",
  });
  assert.match(sent.id, /^file-[0-9a-f]{32}$/);
  assert.equal(sent.bytes, bytes.length);
  assert.equal(sent.filename, "first.gif");
  const text = await client.files.create({
    file: await toFile(Buffer.from("words"), "words.txt"),
    purpose: "user_data",
  });
  const listed = [];
  for await (const file of client.files.list({ limit: 1, order: "asc" })) listed.push(file.id);
  assert.deepEqual(listed, [sent.id, text.id], "the client turns the pages");
  assert.deepEqual(await client.files.retrieve(sent.id), sent);
  const content = await client.files.content(sent.id);
  assert.equal(content.headers.get("content-type"), "image/gif");
  assert.deepEqual(Buffer.from(await content.arrayBuffer()), bytes);
  const job = await client.videos.create({
    prompt: "it moves",
    input_reference: { file_id: sent.id },
  });
  assert.equal(job.object, "video", "the name is taken for the picture");
  assert.equal((await client.files.delete(sent.id)).deleted, true);
  await client.files.delete(text.id);
  await assert.rejects(client.files.retrieve(sent.id), OpenAI.NotFoundError);
});

test("a picture is the answer of a chat, and can be shown to one", async () => {
  const drawn = await client.chat.completions.create({
    model: "nano",
    modalities: ["text", "image"],
    seed: 1,
    size: "32x32",
    messages: [{ role: "user", content: "a large red circle, middle centre, on white" }],
  });
  const [image] = drawn.choices[0].message.images;
  assert.match(image.image_url.url, /^data:image\/png;base64,/);
  assert.equal(
    drawn.usage.completion_tokens,
    drawn.usage.completion_tokens_details.image_tokens,
    "every token of the answer is a cell",
  );
  const seen = await client.chat.completions.create({
    ...greedy,
    messages: [
      { role: "user", content: [{ type: "image_url", image_url: { url: image.image_url.url } }] },
    ],
  });
  assert.match(seen.choices[0].message.content, /[a-z]+/);
});

test("an answer is stopped by its id", async () => {
  const stream = await client.chat.completions.create({
    ...greedy,
    max_tokens: 4000,
    messages: [{ role: "user", content: ENDLESS }],
    stream: true,
  });
  let parts = 0;
  let finish = null;
  for await (const chunk of stream) {
    finish = chunk.choices[0]?.finish_reason ?? finish;
    if (++parts === 5)
      await client.post("/chat/completions/control", { body: { id: chunk.id, action: "cancel" } });
  }
  assert.equal(finish, "stop");
  assert.ok(parts < 3000, `${parts} parts`);
  await idle();
});

const REPORT = {
  type: "object",
  properties: { verdict: { type: "string", enum: ["yes", "no"] } },
  required: ["verdict"],
  additionalProperties: false,
};

test("the client parses what keeps to a schema", async () => {
  const parsed = await client.chat.completions.parse({
    ...greedy,
    max_tokens: 200,
    messages: hello,
    response_format: makeParseableResponseFormat(
      { type: "json_schema", json_schema: { name: "report", strict: true, schema: REPORT } },
      JSON.parse,
    ),
  });
  assert.ok(["yes", "no"].includes(parsed.choices[0].message.parsed.verdict));
});

test("arguments of a tool come in parts", async () => {
  const asked = {
    ...greedy,
    max_tokens: 200,
    messages: hello,
    tools: [{ type: "function", function: { name: "report", strict: true, parameters: REPORT } }],
    tool_choice: "required",
  };
  const whole = await client.chat.completions.create(asked);
  const runner = client.chat.completions.stream(asked);
  let parts = "";
  let count = 0;
  runner.on("tool_calls.function.arguments.delta", ({ arguments_delta }) => {
    parts += arguments_delta;
    ++count;
  });
  const final = await runner.finalChatCompletion();
  const [call] = final.choices[0].message.tool_calls;
  assert.equal(final.choices[0].finish_reason, "tool_calls");
  assert.match(call.id, /^call_/);
  assert.equal(parts, whole.choices[0].message.tool_calls[0].function.arguments);
  assert.equal(call.function.arguments, parts);
  assert.ok(count > 1, "not all at once");
});

test("pictures are made and painted over", async () => {
  const made = await client.images.generate({
    model: "nano",
    prompt: "a large red circle, on white",
    size: "32x32",
    n: 2,
  });
  assert.equal(made.data.length, 2);
  const png = Buffer.from(made.data[0].b64_json, "base64");
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  assert.ok(made.usage.output_tokens > 0);
  const by_url = await client.images.generate({
    prompt: "a large red circle, on white",
    size: "32x32",
    response_format: "url",
  });
  const fetched = await (await fetch(by_url.data[0].url)).arrayBuffer();
  assert.equal(Buffer.from(fetched).subarray(1, 4).toString(), "PNG");
  const edited = await client.images.edit({
    image: await toFile(png, "circle.png", { type: "image/png" }),
    prompt: "a large blue square, on white",
    size: "32x32",
    strength: 0.5,
  });
  assert.notEqual(edited.data[0].b64_json, made.data[0].b64_json);
  const kinds = [];
  const stream = await client.images.generate({
    prompt: "a large red circle, on white",
    size: "32x32",
    stream: true,
    partial_images: 1,
  });
  for await (const event of stream) kinds.push(event.type);
  assert.equal(kinds.at(-1), "image_generation.completed");
});

test("DeepSeek's additions: a gap is filled, an answer is gone on with, thinking is chosen", async () => {
  const filled = await client.completions.create({
    ...greedy,
    max_tokens: 8,
    prompt: "The sea is ",
    suffix: " and wide.",
  });
  assert.ok(filled.choices[0].text.length > 0);
  const plain = await client.completions.create({
    ...greedy,
    max_tokens: 8,
    prompt: "The sea is ",
  });
  assert.notEqual(filled.choices[0].text, plain.choices[0].text, "what follows makes a difference");

  const beta = new OpenAI({ baseURL: `${server.url}/beta`, apiKey: "any", maxRetries: 0 });
  const whole = await client.chat.completions.create({ ...greedy, messages: hello });
  const said = whole.choices[0].message.content;
  const begin = said.slice(0, said.indexOf(" ", 8));
  const rest = await beta.chat.completions.create({
    ...greedy,
    messages: [...hello, { role: "assistant", content: begin, prefix: true }],
  });
  assert.equal(begin + rest.choices[0].message.content, said);

  const thinks = await client.chat.completions.create({
    ...greedy,
    messages: hello,
    thinking: { type: "enabled" },
  });
  assert.ok(thinks.choices[0].message.reasoning_content.length > 0);
  assert.ok(thinks.usage.completion_tokens_details.reasoning_tokens > 0);
  const not = await client.chat.completions.create({
    ...greedy,
    messages: hello,
    thinking: { type: "disabled" },
  });
  assert.equal(not.choices[0].message.reasoning_content ?? null, null);
});
