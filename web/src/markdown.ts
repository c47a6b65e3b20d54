// SPDX-License-Identifier: MIT
// Markdown's blocks, as models write them: paragraphs, headings, fenced code, lists, quotes, tables
// and rules.  A line's end is a line's end, and HTML is text.
//
//   split_blocks(text)   the text in pieces that do not depend on each other.  While an answer grows
//                        only its last pieces change, so only they are read and drawn again.
//   read_blocks(piece)   what one of them means.
import { read_inline, type Inline } from "./inline";

export type Align = "left" | "center" | "right" | null;

export type Block =
  | { type: "paragraph"; children: Inline[] }
  | { type: "heading"; level: number; children: Inline[] }
  | { type: "code"; lang: string; text: string; closed: boolean }
  | { type: "list"; start: number | null; items: ListItem[] }
  | { type: "quote"; blocks: Block[] }
  | { type: "table"; align: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { type: "rule" };

export interface ListItem {
  done: boolean | null; // of a task
  blocks: Block[];
}

const DEEPEST = 12; // quotes in lists in quotes …; what lies deeper is text
const MOST_COLUMNS = 64;

const FENCE = /^(\s*)(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const ITEM = /^(\s{0,40})([-*+]|\d{1,9}[.)])(?:(\s+)(.*)|)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const DIVIDER = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

function closes_fence(line: string, fence: string): boolean {
  const trimmed = line.trim();
  return trimmed.length >= fence.length && trimmed === fence[0]!.repeat(trimmed.length);
}

function indent_of(line: string): number {
  return line.length - line.trimStart().length;
}

export function split_blocks(text: string): string[] {
  const pieces: string[] = [];
  let piece: string[] = [];
  let fence = "";
  let in_list = false;
  let blank = false;
  for (const line of text.split("\n")) {
    const empty = !fence && line.trim() === "";
    // After an empty line a list goes on with items and with what is indented.
    const goes_on = in_list && (indent_of(line) >= 2 || ITEM.test(line));
    if (blank && !empty && !fence && !goes_on) {
      pieces.push(piece.join("\n"));
      piece = [];
    }
    if (!piece.length) in_list = false;
    if (!fence && ITEM.test(line) && !RULE.test(line)) in_list = true;
    const mark = FENCE.exec(line);
    if (fence && closes_fence(line, fence)) fence = "";
    else if (!fence && mark) fence = mark[2]!;
    if (!empty || piece.length) piece.push(line);
    blank = empty && piece.length > 0;
  }
  if (piece.some((line) => line.trim() !== "")) pieces.push(piece.join("\n"));
  return pieces;
}

class BlockReader {
  private at = 0;
  private blocks: Block[] = [];
  private paragraph: string[] = [];

  constructor(
    private readonly lines: string[],
    private readonly depth: number,
  ) {}

  read(): Block[] {
    while (this.at < this.lines.length) {
      const line = this.lines[this.at]!;
      if (line.trim() === "") {
        this.end_paragraph();
        this.at += 1;
      } else if (
        !this.fence(line) &&
        !this.heading(line) &&
        !this.rule(line) &&
        !this.quote(line) &&
        !this.list(line) &&
        !this.table(line)
      ) {
        this.paragraph.push(line.trimStart());
        this.at += 1;
      }
    }
    this.end_paragraph();
    return this.blocks;
  }

  private end_paragraph(): void {
    if (this.paragraph.length)
      this.blocks.push({
        type: "paragraph",
        children: read_inline(this.paragraph.join("\n").trimEnd()),
      });
    this.paragraph = [];
  }
  private add(block: Block): true {
    this.end_paragraph();
    this.blocks.push(block);
    return true;
  }
  private inner(lines: string[]): Block[] {
    if (this.depth >= DEEPEST)
      return [{ type: "paragraph", children: [{ type: "text", text: lines.join("\n") }] }];
    return new BlockReader(lines, this.depth + 1).read();
  }

  private fence(line: string): boolean {
    const mark = FENCE.exec(line);
    if (!mark) return false;
    const inside: string[] = [];
    let closed = false;
    for (this.at += 1; this.at < this.lines.length && !closed; this.at += 1) {
      const next = this.lines[this.at]!;
      closed = closes_fence(next, mark[2]!);
      if (!closed) inside.push(next.slice(Math.min(indent_of(next), mark[1]!.length)));
    }
    const lang = mark[3]!
      .trim()
      .split(/[\s{,]/)[0]!
      .toLowerCase();
    return this.add({ type: "code", lang, text: inside.join("\n"), closed });
  }

  private heading(line: string): boolean {
    const mark = HEADING.exec(line);
    if (!mark) return false;
    this.at += 1;
    return this.add({
      type: "heading",
      level: mark[1]!.length,
      children: read_inline(mark[2] ?? ""),
    });
  }

  private rule(line: string): boolean {
    if (!RULE.test(line)) return false;
    this.at += 1;
    return this.add({ type: "rule" });
  }

  private quote(line: string): boolean {
    if (!QUOTE.test(line)) return false;
    const inside: string[] = [];
    for (; this.at < this.lines.length; this.at += 1) {
      const next = this.lines[this.at]!;
      const mark = QUOTE.exec(next);
      if (!mark && (next.trim() === "" || FENCE.test(next) || ITEM.test(next))) break;
      inside.push(mark ? mark[1]! : next);
    }
    return this.add({ type: "quote", blocks: this.inner(inside) });
  }

  private list(line: string): boolean {
    const first = ITEM.exec(line);
    if (!first) return false;
    const number = parseInt(first[2]!, 10);
    // "2024. It was" in the middle of a paragraph begins no list.
    if (this.paragraph.length && !Number.isNaN(number) && number !== 1) return false;
    const kind = first[2]!.slice(-1);
    const items: ListItem[] = [];
    while (this.at < this.lines.length) {
      const mark = ITEM.exec(this.lines[this.at]!);
      if (!mark || mark[2]!.slice(-1) !== kind || mark[1]!.length > first[1]!.length + 1) break;
      if (RULE.test(this.lines[this.at]!)) break;
      items.push(this.item(mark));
    }
    return this.add({ type: "list", start: Number.isNaN(number) ? null : number, items });
  }

  // The lines that belong to an item: indented ones, and those that go on without an empty line.
  private item(mark: RegExpExecArray): ListItem {
    const width = mark[1]!.length + mark[2]!.length + Math.min(mark[3]?.length ?? 1, 4);
    const least = mark[1]!.length + 2;
    const inside = [mark[4] ?? ""];
    let blank = false;
    let fence = FENCE.exec(inside[0]!)?.[2] ?? "";
    for (this.at += 1; this.at < this.lines.length; this.at += 1) {
      const next = this.lines[this.at]!;
      const indent = indent_of(next);
      if (!fence && next.trim() === "") {
        blank = true;
        inside.push("");
        continue;
      }
      if (
        !fence &&
        indent < least &&
        (blank ||
          ITEM.test(next) ||
          FENCE.test(next) ||
          HEADING.test(next) ||
          RULE.test(next) ||
          QUOTE.test(next))
      )
        break;
      blank = false;
      const opens = FENCE.exec(next)?.[2];
      if (fence && closes_fence(next, fence)) fence = "";
      else if (!fence && opens) fence = opens;
      inside.push(next.slice(Math.min(indent, width)));
    }
    while (inside.at(-1) === "") inside.pop();
    const task = /^\[([ xX])\]\s+/.exec(inside[0] ?? "");
    if (task) inside[0] = inside[0]!.slice(task[0].length);
    return { done: task ? task[1] !== " " : null, blocks: this.inner(inside) };
  }

  private table(line: string): boolean {
    const divider = this.lines[this.at + 1];
    if (
      !line.includes("|") ||
      divider === undefined ||
      !divider.includes("-") ||
      !DIVIDER.test(divider)
    )
      return false;
    const head = cells_of(line);
    const align = cells_of(divider).map((cell): Align =>
      /^:-*:$/.test(cell)
        ? "center"
        : /-:$/.test(cell)
          ? "right"
          : /^:-/.test(cell)
            ? "left"
            : null,
    );
    if (head.length !== align.length || head.length > MOST_COLUMNS) return false;
    const rows: Inline[][][] = [];
    for (this.at += 2; this.at < this.lines.length; this.at += 1) {
      const next = this.lines[this.at]!;
      if (next.trim() === "" || !next.includes("|")) break;
      const cells = cells_of(next).slice(0, head.length);
      while (cells.length < head.length) cells.push("");
      rows.push(cells.map(read_inline));
    }
    return this.add({ type: "table", align, head: head.map(read_inline), rows });
  }
}

// The cells of a row; "\|" and bars in code are no borders.
function cells_of(line: string): string[] {
  const cells: string[] = [];
  let cell = "";
  let code = false;
  const row = line.trim().replace(/^\|/, "");
  for (let at = 0; at < row.length; at += 1) {
    const here = row[at]!;
    if (here === "\\" && row[at + 1] === "|") {
      cell += "|";
      at += 1;
    } else if (here === "|" && !code) {
      cells.push(cell.trim());
      cell = "";
    } else {
      if (here === "`") code = !code && row.indexOf("`", at + 1) > 0;
      cell += here;
    }
  }
  if (cell.trim()) cells.push(cell.trim());
  return cells;
}

export function read_blocks(piece: string): Block[] {
  return new BlockReader(piece.split("\n"), 0).read();
}
