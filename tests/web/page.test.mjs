// SPDX-License-Identifier: MIT
// The chat page in a real browser, against the program itself; where a test needs a certain answer
// the browser gets it from here (`script`).  HADAL_SCREENSHOTS=folder keeps the pictures of the README.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { ENDLESS, Server, soon } from "./server.mjs";

const FIRST_LOAD_BYTES = 60_000; // the promise is 150 kB; what is small should stay so

let browser;
let server;
// Under 4096 an endless answer is over in three seconds, before a busy machine's browser has looked.
const CONTEXT = 65536;
before(async () => {
  [browser, server] = await Promise.all([launch(), Server.start({ context: CONTEXT })]);
});
after(async () => {
  await browser?.close();
  assert.equal(await server?.stop(), 0, "the server ends well");
});

// A page of a new browser, as it were.  Nothing may go wrong in it, and nothing may leave it.
async function open(options = {}, at = server) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.faults = [];
  page.elsewhere = [];
  page.dialogs = 0;
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    // A refused request is told to the user, and by the browser to the console.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
      page.faults.push(message.text());
  });
  page.on("dialog", (dialog) => {
    page.dialogs += 1;
    dialog.dismiss();
  });
  context.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== at.url)
      page.elsewhere.push(request.url());
  });
  await page.goto(at.url);
  return page;
}

async function close(page) {
  assert.deepEqual(page.faults, []);
  assert.deepEqual(page.elsewhere, [], "requests to others");
  assert.equal(page.dialogs, 0);
  await page.context().close();
}

const ready = (page) => page.locator("#model", { hasText: "nano" }).waitFor();
const answers = (page) => page.locator(".turn.assistant");
const last = (page) => answers(page).last();
const complete = (page) => last(page).locator(".facts").waitFor();

async function ask(page, text) {
  await page.getByRole("textbox", { name: "Your question" }).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

async function set(page, fields) {
  await page.getByRole("button", { name: "Settings" }).click();
  const dialog = page.getByRole("dialog");
  for (const [label, value] of Object.entries(fields)) {
    const field = dialog.getByLabel(label);
    if ((await field.evaluate((element) => element.tagName)) === "SELECT")
      await field.selectOption(value);
    else await field.fill(value);
  }
  await dialog.getByRole("button", { name: "Close" }).click();
}

const chunk = (delta, more = {}) =>
  `data: ${JSON.stringify({ model: "scripted", choices: [{ delta, finish_reason: null, ...more }] })}\n\n`;
const USAGE = {
  prompt_tokens: 9,
  completion_tokens: 30,
  prompt_cache_hit_tokens: 4,
  cost: { currency: "USD", amount: "0.0004" },
};
const DONE = `data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: "stop" }], timings: { predicted_per_second: 41.7 } })}\n\ndata: ${JSON.stringify({ choices: [], usage: USAGE })}\n\ndata: [DONE]\n\n`;

// The next answers are these; gives the bodies of the questions.
async function script(page, ...streams) {
  const asked = [];
  await page.unroute("**/chat/completions");
  await page.route("**/chat/completions", (route) => {
    asked.push(route.request().postDataJSON());
    route.fulfill({
      contentType: "text/event-stream",
      body: streams[Math.min(asked.length, streams.length) - 1],
    });
  });
  return asked;
}
const says = (text) =>
  chunk({ role: "assistant", content: "" }) +
  (text.match(/[^]{1,7}/g) ?? []).map((part) => chunk({ content: part })).join("") +
  DONE;

test("a conversation: asked, streamed, listed, counted", async () => {
  const page = await open();
  await ready(page);
  await set(page, { Temperature: "0" });
  await ask(page, "Is an oak a tree?");
  await complete(page);
  assert.equal(await last(page).locator(".said").innerText(), "Yes, an oak is a tree.");
  assert.match(
    await last(page).locator(".facts").innerText(),
    /^nano · \d+ tokens · [\d.]+ tokens\/s$/,
  );
  assert.match(
    await last(page).locator(".facts").getAttribute("title"),
    /^Prompt: \d+ tokens, \d+ from the cache/,
  );
  await ask(page, "Hello");
  await page.waitForFunction(
    () => document.querySelectorAll(".turn.assistant .facts").length === 2,
  );
  assert.equal(await page.locator(".turn").count(), 4);
  assert.equal(
    await page
      .getByRole("navigation")
      .getByRole("link", { name: "Is an oak a tree?" })
      .getAttribute("aria-current"),
    "page",
  );
  assert.equal(await page.title(), "Is an oak a tree? · Hadal");
  assert.equal(
    await page.locator("#status").innerText(),
    "The answer is complete",
    "readers are told",
  );
  await close(page);
});

test("the first load is small, and the page is locked", async () => {
  const page = await open();
  await ready(page);
  const sizes = await page.evaluate(() =>
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .filter((entry) => !entry.name.includes("/v1/"))
      .map((entry) => [entry.name, entry.encodedBodySize]),
  );
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(sizes.length >= 3 && total > 5000, "something was measured");
  assert.ok(total < FIRST_LOAD_BYTES, `${total} bytes: ${JSON.stringify(sizes)}`);
  const response = await fetch(server.url);
  assert.match(
    response.headers.get("content-security-policy"),
    /default-src 'none'; script-src 'self';/,
  );
  for (const attack of [
    "document.body.innerHTML = '<b>x</b>'",
    "document.head.append(Object.assign(document.createElement('script'), { src: 'https://x.example/' }))",
    "new Function('return 1')()",
  ]) {
    const refused = await page.evaluate((code) => {
      const button = document.createElement("button");
      try {
        button.setAttribute("onclick", code);
      } catch {
        return true;
      }
      window.ran = undefined;
      button.setAttribute = null;
      document.body.append(button);
      button.click();
      button.remove();
      return (
        window.ran === undefined &&
        !document.querySelector("body > b") &&
        !document.querySelector("script[src*=example]")
      );
    }, attack);
    assert.ok(refused, attack);
  }
  page.faults.length = 0; // the browser tells of each refusal
  await close(page);
});

test("a stop in mid-stream keeps what came, frees the server, and can go on", async () => {
  const page = await open();
  await ready(page);
  await set(page, { Temperature: "0", "Longest answer": "60000" });
  await ask(page, ENDLESS);
  await page.waitForFunction(
    () => document.querySelector(".turn.assistant .said")?.innerText.length > 40,
  );
  assert.equal(await last(page).getAttribute("aria-busy"), "true");
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.getByRole("button", { name: "Send", exact: true }).waitFor();
  const kept = await last(page).locator(".said").innerText();
  assert.ok(kept.length > 40);
  assert.equal(await last(page).locator(".ending").innerText(), "Stopped by you");
  await soon(
    async () => (await server.metric("vllm:num_requests_running")) === 0,
    "the server stops too",
  );
  await last(page).getByRole("button", { name: "Go on writing" }).click();
  await page.waitForFunction(
    (length) => document.querySelector(".turn.assistant .said").innerText.length > length + 20,
    kept.length,
  );
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Send", exact: true }).waitFor();
  assert.ok((await last(page).locator(".said").innerText()).startsWith(kept.trimEnd()));
  assert.equal(await page.locator(".turn").count(), 2);
  await close(page);
});

test("a reload brings everything back, half an answer too", async () => {
  const page = await open();
  await ready(page);
  await set(page, { Temperature: "0", "Longest answer": "60000" });
  await ask(page, ENDLESS);
  await page.waitForFunction(
    () => document.querySelector(".turn.assistant .said")?.innerText.length > 40,
  );
  await page.waitForTimeout(1200); // it is stored every second
  await page.reload();
  await ready(page);
  assert.equal(await page.locator(".bubble").innerText(), ENDLESS);
  assert.ok((await last(page).locator(".said").innerText()).length > 40);
  assert.equal(await last(page).locator(".ending").innerText(), "Interrupted");
  await soon(
    async () => (await server.metric("vllm:num_requests_running")) === 0,
    "the server stops too",
  );
  await page.getByRole("button", { name: "Settings" }).click();
  assert.equal(await page.getByRole("dialog").getByLabel("Longest answer").inputValue(), "60000");
  await page.keyboard.press("Escape");
  await close(page);
});

test("files: by button, pasted and dropped; what the model cannot read is refused", async () => {
  const page = await open();
  await page.route("**/v1/models", (route) =>
    route.fulfill({ json: { data: [{ id: "reader", modalities: ["text"] }] } }),
  );
  await page.reload();
  await page.locator("#model", { hasText: "reader" }).waitFor();
  const asked = await script(page, says("Read."));
  await page.locator("#picker").setInputFiles([
    { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("first\n") },
    {
      name: "p.png",
      mimeType: "image/png",
      buffer: readFileSync(new URL("../../web/icons/icon-192.png", import.meta.url)),
    },
  ]);
  await page
    .locator("#toast", { hasText: "p.png was left out: this model reads text only" })
    .waitFor();
  await page.evaluate(() => {
    const transfer = (name, text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], name, { type: "text/x-c" }));
      return data;
    };
    document.getElementById("question").dispatchEvent(
      new ClipboardEvent("paste", {
        clipboardData: transfer("pasted.c", "int x;"),
        bubbles: true,
        cancelable: true,
      }),
    );
    document.body.dispatchEvent(
      new DragEvent("drop", {
        dataTransfer: transfer("dropped.c", "int y;"),
        bubbles: true,
        cancelable: true,
      }),
    );
    document.body.dispatchEvent(
      new DragEvent("drop", {
        dataTransfer: transfer("unwanted.c", "int z;"),
        bubbles: true,
        cancelable: true,
      }),
    );
  });
  await page.getByRole("button", { name: "Remove unwanted.c" }).click();
  await page
    .locator("#picker")
    .setInputFiles([{ name: "a.bin", mimeType: "", buffer: Buffer.from([0xff, 0xfe, 0]) }]);
  await page.locator("#toast", { hasText: "a.bin is neither text" }).waitFor();
  await ask(page, "What is in them?");
  await complete(page);
  assert.equal(
    asked[0].messages[0].content,
    "notes.txt:\n```\nfirst\n```\n\npasted.c:\n```\nint x;\n```\n\ndropped.c:\n```\nint y;\n```\n\nWhat is in them?",
  );
  assert.deepEqual(await page.locator(".turn.user .attachment").allInnerTexts(), [
    "notes.txt",
    "pasted.c",
    "dropped.c",
  ]);
  await close(page);
});

test("pictures and clips of a model that sees and draws", async () => {
  const page = await open();
  await page.route("**/v1/models", (route) =>
    route.fulfill({ json: { data: [{ id: "scripted", modalities: ["text", "image"] }] } }),
  );
  await page.reload();
  await page.locator("#model", { hasText: "scripted" }).waitFor();
  const png = `data:image/png;base64,${readFileSync(new URL("../../web/icons/icon-192.png", import.meta.url)).toString("base64")}`;
  let polls = 0;
  await page.route("**/v1/videos/video_1", (route) =>
    route.fulfill({ json: { status: ++polls < 2 ? "in_progress" : "completed", progress: 40 } }),
  );
  await page.route("**/v1/videos/video_1/content", (route) =>
    route.fulfill({ contentType: "video/mp4", body: "no film" }),
  );
  const asked = await script(
    page,
    chunk({
      images: [
        { type: "image_url", image_url: { url: png } },
        { type: "image_url", image_url: { url: "https://x.example/track.png" } },
      ],
    }) +
      chunk({ videos: [{ type: "video_url", video_url: { url: "/v1/videos/video_1/content" } }] }) +
      chunk({ content: "Here." }) +
      DONE,
  );
  await page
    .locator("#picker")
    .setInputFiles([
      { name: "p.png", mimeType: "image/png", buffer: Buffer.from(png.split(",")[1], "base64") },
    ]);
  await page.locator("#composer .attachment img").waitFor();
  await ask(page, "Draw this");
  await page.locator(".media video").waitFor();
  assert.equal(asked[0].messages[0].content[0].image_url.url, png);
  assert.equal(await page.locator(".media img").count(), 1, "what lies elsewhere is not loaded");
  assert.ok(await page.locator(".media img").evaluate((image) => image.naturalWidth === 192));
  assert.ok(polls >= 2, "a clip is waited for");
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Save image" }).click(),
  ]);
  assert.equal(saved.suggestedFilename(), "hadal.png");
  await soon(
    () =>
      page.evaluate(async () =>
        (
          await new Promise((done) => {
            indexedDB.open("hadal").onsuccess = (event) => {
              event.target.result
                .transaction("conversations")
                .objectStore("conversations")
                .getAll().onsuccess = (all) => done(JSON.stringify(all.target.result));
            };
          })
        ).includes("data:video/mp4"),
      ),
    "the clip moves into the conversation",
  );
  await close(page);
});

test("a picture and a clip, drawn by the model in the box", async () => {
  const page = await open();
  await ready(page);
  await set(page, { Seed: "5" });
  const kind = (name) => page.getByRole("radio", { name });
  const save = async (name) => {
    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      last(page)
        .getByRole("button", { name: `Save ${name}` })
        .click(),
    ]);
    return [saved.suggestedFilename(), readFileSync(await saved.path())];
  };
  assert.ok(await kind("Write").isChecked(), "words are what is asked for unless one says so");
  await kind("Draw").check();
  await ask(page, "a large red circle, on white");
  await last(page).locator(".media img").waitFor();
  await complete(page);
  assert.ok(
    await last(page)
      .locator(".media img")
      .evaluate((image) => image.naturalWidth >= 64),
  );
  assert.equal(await page.locator("#status").innerText(), "The answer is complete");
  const [picture, png] = await save("image");
  assert.equal(picture, "hadal.png");
  assert.ok(png.includes("a large red circle, on white"), "the file says what it was made of");

  await kind("Draw").focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(await kind("Film").isChecked(), "by keys");
  await ask(page, "a small pink circle, middle left, moves right, on black");
  await last(page).locator(".media video").waitFor();
  const [clip, mp4] = await save("video");
  assert.equal(clip, "hadal.mp4");
  assert.equal(mp4.subarray(4, 8).toString(), "ftyp");

  // What was drawn is no part of what is said, and stays where it was asked for.
  await kind("Write").check();
  await set(page, { Temperature: "0" });
  await ask(page, "Is an oak a tree?");
  await complete(page);
  assert.equal(await last(page).locator(".said").innerText(), "Yes, an oak is a tree.");
  await page.reload();
  await ready(page);
  await last(page).waitFor();
  assert.equal(await page.locator(".media img").count(), 1);
  assert.match(await page.locator(".media video").getAttribute("src"), /^data:video\/mp4/);
  await close(page);
});

const ATTACK = `<script>window.ran = 1</script> <img src=x onerror="window.ran = 1"> <svg onload=window.ran=1>

[a](javascript:window.ran=1) [b](data:text/html,<script>window.ran=1</script>) ![c](https://x.example/p.png) <javascript:window.ran=1>

\`\`\`html"><img src=x onerror=window.ran=1>
</code></pre><script>window.ran = 1</script>
\`\`\`

| <b>x</b> | [d](JAVASCRIPT:window.ran=1) |
|-|-|
| <iframe srcdoc="<script>parent.ran=1</script>"> | \`<i>\` |

- [ ] <style>body{display:none}</style>
> <a href="javascript:window.ran=1">e</a>`;

test("what a model writes stays text", async () => {
  const page = await open();
  await ready(page);
  await script(page, chunk({ reasoning_content: ATTACK }) + chunk({ content: ATTACK }) + DONE);
  await ask(page, ATTACK);
  await complete(page);
  await page.locator(".thinking summary").click();
  await page.locator(".thoughts .markdown p").first().waitFor();
  for (const link of await page.locator(".turn a").all())
    assert.match(await link.getAttribute("href"), /^https:\/\/x\.example\/p\.png$/);
  assert.equal(
    await page.locator(".turn :is(script, img, iframe, style, object, embed, form)").count(),
    0,
  );
  assert.equal(await page.locator(".turn svg:not(.icon)").count(), 0);
  assert.equal(
    await page.locator("body").evaluate((body) => getComputedStyle(body).display),
    "grid",
  );
  const handlers = await page.evaluate(() =>
    [...document.querySelectorAll(".turn *")].flatMap((element) =>
      element.getAttributeNames().filter((name) => name.startsWith("on")),
    ),
  );
  assert.deepEqual(handlers, []);
  await page.reload();
  await last(page).waitFor();
  assert.equal(await page.evaluate(() => window.ran), undefined);
  await close(page);
});

test("thinking is folded; answers again, edits and branches are kept", async () => {
  const page = await open();
  await ready(page);
  await set(page, {
    "Thinking effort": "max",
    Seed: "7",
    Temperature: "0.5",
    Instructions: "Be brief",
  });
  const asked = await script(
    page,
    chunk({ reasoning_content: "Let me *see*." }) + says("One"),
    says("Two"),
    says("Three"),
  );
  await ask(page, "Count");
  await complete(page);
  assert.deepEqual(
    { ...asked[0], messages: undefined },
    {
      messages: undefined,
      stream: true,
      stream_options: { include_usage: true },
      reasoning_effort: "max",
      temperature: 0.5,
      seed: 7,
    },
  );
  assert.deepEqual(asked[0].messages, [
    { role: "system", content: "Be brief" },
    { role: "user", content: "Count" },
  ]);
  assert.equal(await page.locator(".thinking").evaluate((element) => element.open), false);
  await page.locator(".thinking summary", { hasText: "Thought for" }).click();
  assert.equal(await page.locator(".thoughts em").innerText(), "see");
  assert.equal(
    await last(page).locator(".facts").innerText(),
    "scripted · 30 tokens · 42 tokens/s · 0.0004 USD",
  );

  await last(page).getByRole("button", { name: "Answer again" }).click();
  await page.locator(".said", { hasText: "Two" }).waitFor();
  assert.equal(await last(page).locator(".switcher").innerText(), "2/2");
  await last(page).getByRole("button", { name: "Version before" }).click();
  await page.locator(".turn > .said", { hasText: "One" }).waitFor();
  await last(page).getByRole("button", { name: "Next version" }).click();

  await page.getByRole("button", { name: "Edit and ask again" }).click();
  await page.getByRole("textbox", { name: "Edit your question" }).fill("Count on");
  await page.getByRole("button", { name: "Ask again" }).click();
  await page.locator(".said", { hasText: "Three" }).waitFor();
  assert.equal(asked[2].messages[1].content, "Count on");
  await page.locator(".turn.user").getByRole("button", { name: "Version before" }).click();
  await page.locator(".turn > .said", { hasText: "Two" }).waitFor();

  await last(page).getByRole("button", { name: "Branch into a new conversation" }).click();
  await page.waitForFunction(() => document.querySelectorAll("#conversations li").length === 2);
  assert.equal(
    await page.locator(".switcher").count(),
    0,
    "a branch has one version of everything",
  );
  await close(page);
});

test("conversations are found, renamed, deleted, brought back, exported and imported", async () => {
  const page = await open();
  await ready(page);
  await script(page, says("**Fine**"));
  for (const text of ["About ships", "About birds"]) {
    await page.keyboard.press("Control+Shift+O");
    await ask(page, text);
    await complete(page);
  }
  const links = page.locator("#conversations li a");
  assert.deepEqual(await links.allInnerTexts(), ["About birds", "About ships"]);
  await page.keyboard.press("Control+K");
  await page.keyboard.type("SHIP");
  assert.deepEqual(await links.allInnerTexts(), ["About ships"]);
  await page.getByRole("searchbox").fill("");
  await page.locator("#conversations li").first().hover();
  await page.getByRole("button", { name: "Rename About birds" }).click();
  await page.keyboard.type("Owls");
  await page.keyboard.press("Enter");
  await page.locator("#title", { hasText: "Owls" }).waitFor();
  await page.getByRole("button", { name: "Export", exact: true }).click();
  const [json] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "JSON" }).click(),
  ]);
  assert.equal(json.suggestedFilename(), "Owls.json");
  await page.getByRole("button", { name: "Export", exact: true }).click();
  const [markdown] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Markdown" }).click(),
  ]);
  assert.equal(
    readFileSync(await markdown.path(), "utf8"),
    "# Owls\n\n## You\n\nAbout birds\n\n## scripted\n\n**Fine**\n",
  );
  await page.locator("#conversations li").first().hover();
  await page.getByRole("button", { name: "Delete Owls" }).click();
  await page.locator("#welcome").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator("#title", { hasText: "Owls" }).waitFor();
  await page.locator("#import").setInputFiles({
    name: "o.json",
    mimeType: "application/json",
    buffer: readFileSync(await json.path()),
  });
  await page.waitForFunction(() => document.querySelectorAll("#conversations li").length === 3);
  assert.equal(await last(page).locator("strong").innerText(), "Fine");
  await page
    .locator("#import")
    .setInputFiles({ name: "bad.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await page.locator("#toast", { hasText: "bad.json: not a conversation" }).waitFor();
  await close(page);
});

test("faults are told, and nothing is lost", async () => {
  const page = await open();
  await ready(page);
  await script(
    page,
    chunk({ content: "Half" }) +
      `data: ${JSON.stringify({ error: { message: "the model broke" } })}\n\n`,
    chunk({ content: "Cut" }),
    says("Whole"),
  );
  await ask(page, "a");
  await page.locator(".error", { hasText: "The model broke" }).waitFor();
  assert.equal(await last(page).locator(".said").innerText(), "Half");
  await last(page).getByRole("button", { name: "Answer again" }).click();
  await page
    .locator(".error", { hasText: "The connection broke off; what had arrived is kept" })
    .waitFor();
  await page.unroute("**/chat/completions");
  await set(page, { Instructions: "x ".repeat(CONTEXT) });
  await last(page).getByRole("button", { name: "Answer again" }).click();
  await page.locator(".error", { hasText: /context/ }).waitFor();
  await close(page);
});

test("by keys alone", async () => {
  const page = await open();
  await ready(page);
  const asked = await script(page, says("Yes"));
  assert.equal(
    await page.evaluate(() => document.activeElement.id),
    "question",
    "the cursor is where one writes",
  );
  await page.keyboard.type("one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two");
  await page.keyboard.press("Enter");
  await complete(page);
  assert.equal(asked[0].messages[0].content, "one\ntwo");
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.evaluate(() => document.activeElement.value), "one\ntwo");
  await page.keyboard.press("Escape");
  const reached = new Set();
  for (let step = 0; step < 40; ++step) {
    await page.keyboard.press("Tab");
    reached.add(
      await page.evaluate(
        () =>
          document.activeElement.getAttribute("aria-label") ??
          document.activeElement.textContent.trim(),
      ),
    );
  }
  for (const name of [
    "To the question",
    "New conversation",
    "Search conversations",
    "Settings",
    "Answer again",
    "Copy answer",
    "Attach files",
    "Your question",
  ])
    assert.ok(reached.has(name), `${name} is not reached by Tab: ${[...reached]}`);
  const unnamed = await page.evaluate(() =>
    [...document.querySelectorAll("button, a, input, textarea, select")]
      .filter(
        (element) =>
          !element.hidden &&
          !element.getAttribute("aria-label") &&
          !element.textContent.trim() &&
          !element.closest("label"),
      )
      .map((element) => element.outerHTML),
  );
  assert.deepEqual(unnamed, [], "everything has a name");
  await close(page);
});

test("on a phone", async () => {
  const page = await open({
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
  await ready(page);
  await script(
    page,
    says(
      `A long line: \`${"x".repeat(200)}\`\n\n\`\`\`\n${"y".repeat(300)}\n\`\`\`\n\n|${"a|".repeat(30)}\n|${"-|".repeat(30)}\n|${"b|".repeat(30)}`,
    ),
  );
  assert.equal(await page.evaluate(() => document.getElementById("sidebar").inert), true);
  const area = page.getByRole("textbox", { name: "Your question" });
  await area.tap();
  await page.keyboard.type("one");
  await page.keyboard.press("Enter");
  await page.keyboard.type("two");
  assert.equal(await area.inputValue(), "one\ntwo", "Enter makes a line");
  await page.getByRole("button", { name: "Send", exact: true }).tap();
  await complete(page);
  const wide = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.getElementById("scroller").scrollWidth,
    innerWidth,
  ]);
  assert.ok(wide[0] <= wide[2] && wide[1] <= wide[2], `nothing is wider than the screen: ${wide}`);
  await page.getByRole("button", { name: "Conversations" }).tap();
  await page.getByRole("navigation").getByRole("link").first().waitFor();
  assert.equal(await page.evaluate(() => document.getElementById("main").inert), true);
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("#sidebar button, #sidebar li a")]
      .filter((element) => element.offsetHeight && element.offsetHeight < 28)
      .map((element) => element.outerHTML),
  );
  assert.deepEqual(small, [], "fingers find everything");
  await page.getByRole("button", { name: "Close the list" }).tap();
  assert.equal(await page.evaluate(() => document.getElementById("sidebar").inert), true);
  await close(page);
});

test("with keys the page asks for one and keeps it", async () => {
  const guarded = await Server.start({ key: true });
  const page = await open({}, guarded);
  const dialog = page.getByRole("dialog", { name: "API key" });
  await dialog.getByLabel("Key").fill("sk-wrong");
  await dialog.getByRole("button", { name: "Use this key" }).click();
  await page.locator("#key-form .hint", { hasText: "wrong or revoked" }).waitFor();
  await dialog.getByLabel("Key").fill(guarded.key);
  await dialog.getByRole("button", { name: "Use this key" }).click();
  await ready(page);
  await set(page, { Temperature: "0" });
  await ask(page, "Hello");
  await complete(page);
  await page.reload();
  await ready(page);
  assert.equal(await page.getByRole("dialog").count(), 0);
  await close(page);
  assert.equal(await guarded.stop(), 0);
});

test("installable, and open when the server is away", async () => {
  const gone = await Server.start();
  const page = await open({}, gone);
  await ready(page);
  await set(page, { Temperature: "0" });
  await ask(page, "Hello");
  await complete(page);
  const manifest = await (await fetch(`${gone.url}/manifest.webmanifest`)).json();
  assert.equal(manifest.display, "standalone");
  for (const { src } of manifest.icons)
    assert.equal((await fetch(gone.url + src)).status, 200, src);
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    while (!(await caches.keys()).length) await new Promise((done) => setTimeout(done, 20));
  });
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  assert.equal(await gone.stop(), 0);
  await page.reload();
  assert.equal(await page.locator(".bubble").innerText(), "Hello");
  await page.locator("#toast", { hasText: "hadal cannot be reached" }).waitFor();
  await ask(page, "Are you there?");
  await page.locator(".error", { hasText: "Hadal cannot be reached" }).waitFor();
  await close(page);
});

// The pictures of the README: nano's own answers, at temperature 0.
test("pictures of the page", async () => {
  const folder = process.env.HADAL_SCREENSHOTS;
  for (const [name, colorScheme, options] of [
    ["desktop-light", "light", { viewport: { width: 1120, height: 620 }, deviceScaleFactor: 2 }],
    ["desktop-dark", "dark", { viewport: { width: 1120, height: 620 }, deviceScaleFactor: 2 }],
    [
      "phone-dark",
      "dark",
      {
        viewport: { width: 390, height: 680 },
        deviceScaleFactor: 2,
        hasTouch: true,
        isMobile: true,
      },
    ],
  ]) {
    const page = await open({ colorScheme, ...options });
    await ready(page);
    await set(page, { Temperature: "0" });
    for (const text of ["Is an oak a tree?", "What does the command ls do?", "define run"]) {
      await page.keyboard.press("Control+Shift+O");
      await ask(page, text);
      await complete(page);
    }
    const ground = await page
      .locator("body")
      .evaluate((body) => getComputedStyle(body).backgroundColor);
    assert.equal(ground, colorScheme === "dark" ? "rgb(10, 17, 24)" : "rgb(255, 255, 255)");
    if (folder) {
      mkdirSync(folder, { recursive: true });
      await page.screenshot({ path: `${folder}/${name}.png` });
    }
    await close(page);
  }
});
