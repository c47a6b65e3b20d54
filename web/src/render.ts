// SPDX-License-Identifier: MIT
// Markdown to elements.  A MarkdownView is told the text again and again while it grows, and draws
// only what changed.
import { copy_button, el } from "./dom";
import { highlight } from "./highlight";
import type { Inline } from "./inline";
import { read_blocks, split_blocks, type Block } from "./markdown";

function inline(nodes: Inline[]): Node[] {
  return nodes.map((node) => {
    switch (node.type) {
      case "text":
        return document.createTextNode(node.text);
      case "code":
        return el("code", {}, node.text);
      case "break":
        return el("br");
      case "link":
        return el(
          "a",
          {
            href: node.url,
            target: "_blank",
            rel: "noopener noreferrer nofollow",
            title: node.url,
          },
          ...inline(node.children),
        );
      default:
        return el(node.type, {}, ...inline(node.children));
    }
  });
}

function code_block(lang: string, text: string): HTMLElement {
  const code = el("code");
  for (const token of highlight(text, lang))
    code.append(
      token.kind === "plain" ? token.text : el("span", { class: `t-${token.kind}` }, token.text),
    );
  return el(
    "figure",
    { class: "code" },
    el(
      "figcaption",
      {},
      el("span", {}, lang || "text"),
      copy_button("Copy code", () => text),
    ),
    el("pre", { tabindex: 0, "aria-label": lang ? `Code, ${lang}` : "Code" }, code),
  );
}

function table(block: Block & { type: "table" }): HTMLElement {
  const cell = (tag: "th" | "td", nodes: Inline[], column: number): HTMLElement =>
    el(
      tag,
      { class: block.align[column] ? `align-${block.align[column]}` : null },
      ...inline(nodes),
    );
  return el(
    "div",
    { class: "table", tabindex: 0, role: "region", "aria-label": "Table" },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...block.head.map((nodes, at) => cell("th", nodes, at)))),
      el(
        "tbody",
        {},
        ...block.rows.map((row) => el("tr", {}, ...row.map((nodes, at) => cell("td", nodes, at)))),
      ),
    ),
  );
}

function list(block: Block & { type: "list" }): HTMLElement {
  const items = block.items.map((item) => {
    // The only paragraph of an item needs no paragraph around it.
    const parts = item.blocks.flatMap((inner, at): Node[] =>
      at === 0 && inner.type === "paragraph" ? inline(inner.children) : [draw_block(inner)],
    );
    if (item.done === null) return el("li", {}, ...parts);
    const box = el("input", {
      type: "checkbox",
      disabled: true,
      checked: item.done,
      "aria-label": item.done ? "Done" : "To do",
    });
    return el("li", { class: "task" }, box, ...parts);
  });
  if (block.start === null) return el("ul", {}, ...items);
  return el("ol", { start: block.start === 1 ? null : block.start }, ...items);
}

export function draw_block(block: Block): HTMLElement {
  switch (block.type) {
    case "paragraph":
      return el("p", {}, ...inline(block.children));
    case "heading":
      // The page has the first levels for itself.
      return el(
        `h${Math.min(block.level + 2, 6)}` as "h3",
        { class: `level-${block.level}` },
        ...inline(block.children),
      );
    case "code":
      return code_block(block.lang, block.text);
    case "list":
      return list(block);
    case "quote":
      return el("blockquote", {}, ...block.blocks.map(draw_block));
    case "table":
      return table(block);
    case "rule":
      return el("hr");
  }
}

export class MarkdownView {
  readonly element = el("div", { class: "markdown", dir: "auto" });
  private pieces: string[] = [];
  private drawn: HTMLElement[][] = [];

  update(text: string): void {
    const pieces = split_blocks(text);
    let same = 0;
    while (same < pieces.length && pieces[same] === this.pieces[same]) same += 1;
    for (const elements of this.drawn.splice(same)) elements.forEach((element) => element.remove());
    for (const piece of pieces.slice(same)) {
      const elements = read_blocks(piece).map(draw_block);
      this.drawn.push(elements);
      this.element.append(...elements);
    }
    this.pieces = pieces;
  }
}
