// SPDX-License-Identifier: MIT
// The page's parts that need no page: Markdown, colours, events, the tree of a conversation.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./sources.mjs";

const { read_inline, safe_link } = await load("inline");
const { read_blocks, split_blocks } = await load("markdown");
const { highlight } = await load("highlight");
const { EventReader } = await load("sse");
const tree = await load("conversation");

const text = (value) => ({ type: "text", text: value });
const kinds = (source) => read_blocks(source).map((block) => block.type);
const random = (seed) => () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;

test("emphasis nests, and marks inside of words are text", () => {
  assert.deepEqual(read_inline("a **b *c* d**"), [
    text("a "),
    { type: "strong", children: [text("b "), { type: "em", children: [text("c")] }, text(" d")] },
  ]);
  assert.deepEqual(read_inline("snake_case_name 2 * 3 * 4"), [text("snake_case_name 2 * 3 * 4")]);
  assert.deepEqual(read_inline("***x***"), [
    { type: "em", children: [{ type: "strong", children: [text("x")] }] },
  ]);
  assert.deepEqual(read_inline("~~old~~ \\*no\\*"), [
    { type: "del", children: [text("old")] },
    text(" *no*"),
  ]);
  assert.deepEqual(read_inline("**open"), [text("**"), text("open")]);
});

test("code keeps what is in it", () => {
  assert.deepEqual(read_inline("`a*b*` ``x`y``"), [
    { type: "code", text: "a*b*" },
    text(" "),
    { type: "code", text: "x`y" },
  ]);
  assert.deepEqual(read_inline("a ` b"), [text("a ` b")]);
});

test("links go to the web and nowhere else", () => {
  const link = (url, words) => ({ type: "link", url, children: [text(words)] });
  assert.deepEqual(read_inline("[a](https://x.org/b_(c))."), [
    link("https://x.org/b_(c)", "a"),
    text("."),
  ]);
  assert.deepEqual(read_inline("see https://x.org/a, ok"), [
    text("see "),
    link("https://x.org/a", "https://x.org/a"),
    text(", ok"),
  ]);
  assert.deepEqual(
    read_inline("![tracker](https://x.org/p.png)"),
    [link("https://x.org/p.png", "tracker")],
    "pictures are links",
  );
  for (const url of [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "//x.org",
    "/v1/models",
    "blob:x",
  ]) {
    assert.equal(safe_link(url), null, url);
    assert.ok(
      read_inline(`[a](${url})`).every((node) => node.type !== "link"),
      url,
    );
  }
});

test("blocks are told apart", () => {
  assert.deepEqual(
    kinds("# T\ntext\nmore\n\n- a\n- b\n\n> q\n\n```c\nx\n```\n\n|a|b|\n|-|-|\n|1|2|\n\n---"),
    ["heading", "paragraph", "list", "quote", "code", "table", "rule"],
  );
  const [list] = read_blocks(
    "1. one\n   - deep\n     ```py\n     x = 1\n     ```\n2. two\n- [x] other kind",
  );
  assert.deepEqual(
    list.items.map((item) => item.blocks.map((block) => block.type)),
    [["paragraph", "list"], ["paragraph"]],
  );
  assert.equal(list.items[0].blocks[1].items[0].blocks[1].text, "x = 1");
  assert.deepEqual(
    read_blocks("- [x] a\n- [ ] b")[0].items.map((item) => item.done),
    [true, false],
  );
  assert.deepEqual(kinds("in\n2024. It was"), ["paragraph"]);
  const [table] = read_blocks("|a\\|b|`c|d`|\n|:-:|--:|\n|1|");
  assert.deepEqual(table.align, ["center", "right"]);
  assert.deepEqual(table.head, [[text("a|b")], [{ type: "code", text: "c|d" }]]);
  assert.equal(table.rows[0].length, 2, "short rows are filled");
  assert.deepEqual(kinds("```js\nnot closed\n\n# still code"), ["code"]);
});

test("the pieces of a text mean what the whole means", () => {
  const source =
    "# T\n\npara\nline\n\n1. a\n\n   more of a\n\n2. b\n\n```\nx\n\n\ny\n```\n\nend\n\n- l\n\n  ```\n  c\n\n  d\n  ```\n\nlast";
  const pieces = split_blocks(source);
  assert.equal(pieces.length, 7);
  assert.deepEqual(pieces.flatMap(read_blocks), read_blocks(source));
});

test("a growing text changes only at its end", () => {
  const source = "# T\n\npara\n\n1. a\n2. b\n\n```\nx\n\ny\n```\n\nend **of** it";
  let before = [];
  for (let length = 1; length <= source.length; ++length) {
    const pieces = split_blocks(source.slice(0, length));
    assert.ok(
      before.slice(0, -1).every((piece, at) => pieces[at] === piece),
      `at ${length}`,
    );
    before = pieces;
  }
});

test("no text is too odd", () => {
  const next = random(7);
  const marks = [
    "*",
    "**",
    "_",
    "`",
    "```",
    "~~",
    "[",
    "](",
    ")",
    "<",
    ">",
    "- ",
    "1. ",
    "\n",
    "\n\n",
    "  ",
    "|",
    "|-|",
    "#",
    "\\",
    "http://x",
    "a",
    "é",
    "!",
  ];
  for (let round = 0; round < 3000; ++round) {
    let source = "";
    for (let count = next() * 40; count > 0; --count)
      source += marks[Math.floor(next() * marks.length)];
    const words = (node) => node.text ?? (node.children ?? node.blocks ?? []).map(words).join("");
    split_blocks(source).flatMap(read_blocks).forEach(words);
  }
});

// Were one of them read in square time or worse, this would not end before the time of the test does.
test("no text takes long", () => {
  const long = 100_000;
  for (const piece of [
    "*",
    "_a",
    "**a ",
    "[",
    "![",
    "`",
    "`` ` ",
    "<",
    "> ",
    "- ",
    "  - ",
    "|",
    "(",
    "a](",
    "~~",
    "\\",
    "http://",
    "1. ",
  ]) {
    const source = piece.repeat(long / piece.length);
    split_blocks(source).forEach(read_blocks);
    for (const lang of ["cpp", "python", "html", "sh", "css", "yaml"]) highlight(source, lang);
  }
});

test("deep nesting ends in text", () => {
  assert.equal(kinds("> ".repeat(500) + "x")[0], "quote");
  assert.ok(read_inline("[".repeat(300) + "x" + "](https://a.b)".repeat(300)).length > 0);
});

test("colours never change the code", () => {
  const next = random(3);
  const bits = [
    '"',
    "'",
    "//",
    "/*",
    "*/",
    "#",
    "\n",
    "if ",
    "Name",
    "f(",
    "0x1F",
    "<a b=",
    ">",
    "`",
    "\\",
    "$x",
    "--",
    "@a",
    " ",
    "+",
    "-",
  ];
  for (const lang of [
    "c",
    "cpp",
    "js",
    "ts",
    "java",
    "go",
    "rust",
    "py",
    "rb",
    "lua",
    "bash",
    "sql",
    "json",
    "yaml",
    "toml",
    "html",
    "css",
    "diff",
    "none",
    "constructor",
    "__proto__",
  ])
    for (let round = 0; round < 60; ++round) {
      let code = "";
      for (let count = 30; count > 0; --count) code += bits[Math.floor(next() * bits.length)];
      assert.equal(
        highlight(code, lang)
          .map((token) => token.text)
          .join(""),
        code,
        lang,
      );
    }
});

test("colours tell words from strings and comments", () => {
  const of = (code, lang) =>
    highlight(code, lang)
      .filter((token) => token.kind !== "plain")
      .map((token) => [token.kind, token.text]);
  assert.deepEqual(of('#include <a>\nint f() { return "if"; } // x', "cpp"), [
    ["meta", "#include"],
    ["keyword", "int"],
    ["call", "f"],
    ["keyword", "return"],
    ["string", '"if"'],
    ["comment", "// x"],
  ]);
  assert.deepEqual(of('{"a": [1, true, "b"]}', "json"), [
    ["name", '"a"'],
    ["number", "1"],
    ["keyword", "true"],
    ["string", '"b"'],
  ]);
  assert.deepEqual(of("SELECT * from t -- all", "sql"), [
    ["keyword", "SELECT"],
    ["keyword", "from"],
    ["comment", "-- all"],
  ]);
  assert.deepEqual(of("-a\n+b", "diff"), [
    ["removed", "-a"],
    ["added", "+b"],
  ]);
});

test("events are the same in any pieces", () => {
  const stream =
    ': prefill 3/9\r\n\r\ndata: {"a":1}\n\ndata:x\ndata: y\r\revent: z\nid: 4\n\ndata: é\n\n';
  const read = (pieces) => {
    const reader = new EventReader();
    return pieces.flatMap((piece) => [...reader.feed(piece)]);
  };
  const whole = read([stream]);
  assert.deepEqual(whole, [
    { comment: "prefill 3/9" },
    { data: '{"a":1}' },
    { data: "x\ny" },
    { data: "é" },
  ]);
  for (let cut = 0; cut <= stream.length; ++cut)
    assert.deepEqual(read([stream.slice(0, cut), stream.slice(cut)]), whole, `cut at ${cut}`);
  assert.deepEqual(read([...stream]), whole);
});

test("versions of a turn are siblings, and a branch keeps only its path", () => {
  const talk = tree.new_conversation(1);
  const ask = tree.add_turn(talk, { parent: "", role: "user", text: "q" }, 2);
  const first = tree.add_turn(talk, { parent: ask.id, role: "assistant", text: "a1" }, 3);
  const second = tree.add_turn(talk, { parent: ask.id, role: "assistant", text: "a2" }, 4);
  const more = tree.add_turn(talk, { parent: second.id, role: "user", text: "q2" }, 5);
  assert.deepEqual(tree.path_of(talk), [ask, second, more]);
  assert.deepEqual(tree.siblings_of(talk, second), [first, second]);
  tree.choose(talk, first);
  assert.deepEqual(tree.path_of(talk), [ask, first]);
  const branch = tree.branch_at(talk, second, 6);
  assert.deepEqual(
    tree.path_of(branch).map((turn) => turn.text),
    ["q", "a2"],
  );
  tree.path_of(branch)[0].text = "changed";
  assert.equal(ask.text, "q", "a branch shares nothing");
});

test("what is sent: files in fences that hold, no thoughts, no empty answers", () => {
  const talk = tree.new_conversation(1);
  const files = [{ name: "a.md", type: "text/plain", text: "```\nx\n```\n" }];
  const ask = tree.add_turn(talk, { parent: "", role: "user", text: "why?", files }, 2);
  const failed = tree.add_turn(
    talk,
    { parent: ask.id, role: "assistant", text: "", error: "no" },
    3,
  );
  const again = tree.add_turn(
    talk,
    {
      parent: failed.id,
      role: "user",
      text: "",
      files: [{ name: "p.png", type: "image/png", url: "data:image/png;base64,AA" }],
    },
    4,
  );
  tree.add_turn(talk, { parent: again.id, role: "assistant", text: "so", reasoning: "hm" }, 5);
  assert.deepEqual(tree.messages_of(tree.path_of(talk), "Be brief"), [
    { role: "system", content: "Be brief" },
    { role: "user", content: "a.md:\n````\n```\nx\n```\n````\n\nwhy?" },
    {
      role: "user",
      content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA" } }],
    },
    { role: "assistant", content: "so" },
  ]);
});

test("an export comes back, and a foreign file brings nothing dangerous", () => {
  const talk = tree.new_conversation(1);
  const ask = tree.add_turn(talk, { parent: "", role: "user", text: "q" }, 2);
  tree.add_turn(
    talk,
    { parent: ask.id, role: "assistant", text: "a", finish: "stop", model: "nano" },
    3,
  );
  const back = tree.read_conversation(JSON.parse(JSON.stringify(talk)));
  assert.notEqual(back.id, talk.id);
  assert.deepEqual(
    tree.path_of(back).map((turn) => [turn.role, turn.text]),
    [
      ["user", "q"],
      ["assistant", "a"],
    ],
  );
  for (const wrong of [
    null,
    5,
    {},
    { version: 2 },
    { version: 1, title: "x", turns: { __proto__x: {} } },
    { version: 1, title: "x", turns: { [ask.id]: { parent: 5 } } },
  ])
    assert.throws(() => tree.read_conversation(wrong), Error);
  const evil = JSON.parse(JSON.stringify(talk));
  evil.turns[ask.id].media = [
    { kind: "image", url: "https://x.org/p.png" },
    { kind: "image", url: "data:text/html,x" },
    { kind: "video", url: "//x.org/v" },
  ];
  evil.turns[ask.id].parent = ask.id;
  const tamed = tree.read_conversation(evil);
  assert.equal(tamed.turns[ask.id].media, undefined);
  assert.ok(tree.path_of(tamed).length <= 2, "a circle ends");
});
