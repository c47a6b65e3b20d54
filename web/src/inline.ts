// SPDX-License-Identifier: MIT
// Markdown inside a paragraph: emphasis, code, links (the delimiter algorithm of CommonMark's
// appendix, shortened).  Every step looks at a bounded piece of text, so that no text takes long.

export type Inline =
  | { type: "text"; text: string }
  | { type: "code"; text: string }
  | { type: "break" }
  | { type: "link"; url: string; children: Inline[] }
  | { type: "strong" | "em" | "del"; children: Inline[] };

const LONGEST_LINK = 1000;
const DEEPEST = 16; // links in emphasis in links …

// Only what leaves the page in the open: no javascript:, no data:, nothing of this server.
export function safe_link(url: string): string | null {
  try {
    const parsed = new URL(url);
    return ["http:", "https:", "mailto:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

interface Delimiter {
  at: number; // in the list of pieces
  mark: "*" | "_" | "~";
  count: number;
  opens: boolean;
  closes: boolean;
}

const ESCAPABLE = /[!-/:-@[-`{-~]/;
const SPACE = /\s/;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const BARE_URL = /https?:\/\/[^\s<>"`]{1,1900}/y;
const ANGLE_URL = /<((?:https?:\/\/|mailto:)[^\s<>]{1,1900})>/y;
const TARGET =
  /\(\s{0,9}(?:<([^<>\n]{0,1900})>|((?:[^\s()\\]|\\.|\([^\s()]{0,200}\)){0,1900}))(?:\s{1,9}(?:"[^"]{0,400}"|'[^']{0,400}'))?\s{0,9}\)/y;

function matched(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

class InlineReader {
  private pieces: Inline[] = [];
  private delimiters: Delimiter[] = [];
  private plain = "";
  private at = 0;
  private readonly no_code = new Set<number>(); // lengths of backticks that nothing closes

  constructor(
    private readonly text: string,
    private readonly depth: number,
  ) {}

  read(): Inline[] {
    while (this.at < this.text.length) this.step();
    this.flush();
    return this.emphasised();
  }

  private step(): void {
    const { text } = this;
    const here = text[this.at]!;
    if (here === "\\") return this.escape();
    if (here === "`" && this.code()) return;
    if (here === "\n") {
      this.plain = this.plain.trimEnd();
      this.push({ type: "break" });
      this.at += 1;
      while (text[this.at] === " ") this.at += 1;
      return;
    }
    if (here === "!" && text[this.at + 1] === "[" && this.link(this.at + 1)) return;
    if (here === "[" && this.link(this.at)) return;
    if (here === "<" && this.angle()) return;
    if (here === "h" && !/\w/.test(text[this.at - 1] ?? "") && this.bare()) return;
    if (here === "*" || here === "_" || here === "~") return this.delimiter(here);
    this.plain += here;
    this.at += 1;
  }

  private push(piece: Inline): void {
    this.flush();
    this.pieces.push(piece);
  }
  private flush(): void {
    if (this.plain) this.pieces.push({ type: "text", text: this.plain });
    this.plain = "";
  }

  private escape(): void {
    const next = this.text[this.at + 1] ?? "";
    if (next === "\n") {
      this.push({ type: "break" });
    } else if (ESCAPABLE.test(next)) {
      this.plain += next;
    } else {
      this.plain += "\\" + next;
    }
    this.at += 2;
  }

  private code(): boolean {
    let count = 1;
    while (this.text[this.at + count] === "`") count += 1;
    let end = -1;
    if (!this.no_code.has(count)) {
      for (let from = this.at + count; ;) {
        end = this.text.indexOf("`".repeat(count), from);
        if (end < 0) break;
        let length = count;
        while (this.text[end + length] === "`") length += 1;
        if (length === count) break;
        from = end + length;
      }
      if (end < 0) this.no_code.add(count);
    }
    if (end < 0) {
      this.plain += "`".repeat(count);
      this.at += count;
      return true;
    }
    let inside = this.text.slice(this.at + count, end).replace(/\n/g, " ");
    if (/^ .* $/.test(inside) && inside.trim()) inside = inside.slice(1, -1);
    this.push({ type: "code", text: inside });
    this.at = end + count;
    return true;
  }

  // [words](url), and a picture likewise: nothing is loaded that a model names.
  private link(open: number): boolean {
    if (this.depth >= DEEPEST) return false;
    const { text } = this;
    let close = open + 1;
    for (let deep = 1; ; close += 1) {
      if (close >= text.length || close - open > LONGEST_LINK) return false;
      if (text[close] === "\\") close += 1;
      else if (text[close] === "[") deep += 1;
      else if (text[close] === "]" && --deep === 0) break;
    }
    const target = matched(TARGET, text, close + 1);
    if (!target) return false;
    const words = text.slice(open + 1, close);
    const children = new InlineReader(words, this.depth + 1).read();
    const url = safe_link((target[1] ?? target[2] ?? "").replace(/\\(.)/g, "$1"));
    if (url)
      this.push({
        type: "link",
        url,
        children: children.length ? children : [{ type: "text", text: url }],
      });
    else children.forEach((child) => this.push(child));
    this.at = close + 1 + target[0].length;
    return true;
  }

  private angle(): boolean {
    const found = matched(ANGLE_URL, this.text, this.at);
    const url = found && safe_link(found[1]!);
    if (!url) return false;
    this.push({ type: "link", url, children: [{ type: "text", text: found[1]! }] });
    this.at += found[0].length;
    return true;
  }

  private bare(): boolean {
    const found = matched(BARE_URL, this.text, this.at);
    if (!found) return false;
    let address = found[0].replace(/[.,;:!?'*_~\]}]+$/, "");
    while (address.endsWith(")") && count_of(address, ")") > count_of(address, "("))
      address = address.slice(0, -1);
    const url = safe_link(address);
    if (!url) return false;
    this.push({ type: "link", url, children: [{ type: "text", text: address }] });
    this.at += address.length;
    return true;
  }

  private delimiter(mark: "*" | "_" | "~"): void {
    let count = 1;
    while (this.text[this.at + count] === mark) count += 1;
    const before = this.text[this.at - 1] ?? " ";
    const after = this.text[this.at + count] ?? " ";
    const left =
      !SPACE.test(after) &&
      (!PUNCTUATION.test(after) || SPACE.test(before) || PUNCTUATION.test(before));
    const right =
      !SPACE.test(before) &&
      (!PUNCTUATION.test(before) || SPACE.test(after) || PUNCTUATION.test(after));
    // Underscores inside of words belong to the word.
    const opens = left && (mark !== "_" || !right || PUNCTUATION.test(before));
    const closes = right && (mark !== "_" || !left || PUNCTUATION.test(after));
    if ((mark === "~" && count !== 2) || (!opens && !closes)) {
      this.plain += mark.repeat(count);
    } else {
      this.push({ type: "text", text: mark.repeat(count) });
      this.delimiters.push({ at: this.pieces.length - 1, mark, count, opens, closes });
    }
    this.at += count;
  }

  // Pairs delimiters from the left; `nothing_before` keeps failed searches from being repeated.
  private emphasised(): Inline[] {
    const { pieces, delimiters } = this;
    const spans: { from: number; to: number; type: "strong" | "em" | "del" }[] = [];
    const nothing_before: Record<string, number> = { "*": 0, _: 0, "~": 0 };
    const open: number[] = [];
    delimiters.forEach((closer, index) => {
      while (closer.closes && closer.count > 0) {
        const place = open.findLastIndex(
          (at) =>
            at >= nothing_before[closer.mark]! &&
            delimiters[at]!.mark === closer.mark &&
            delimiters[at]!.count > 0,
        );
        if (place < 0) {
          nothing_before[closer.mark] = index;
          break;
        }
        const opener = delimiters[open[place]!]!;
        const used = Math.min(opener.count, closer.count, 2);
        spans.push({
          from: opener.at,
          to: closer.at,
          type: closer.mark === "~" ? "del" : used === 2 ? "strong" : "em",
        });
        opener.count -= used;
        closer.count -= used;
        open.length = opener.count > 0 ? place + 1 : place;
      }
      if (closer.opens && closer.count > 0) open.push(index);
    });
    for (const delimiter of delimiters)
      pieces[delimiter.at] = { type: "text", text: delimiter.mark.repeat(delimiter.count) };
    return nested(pieces, spans);
  }
}

function count_of(text: string, mark: string): number {
  return text.split(mark).length - 1;
}

// Spans close inside out, so the later of two that begin together is the outer one.
function nested(
  pieces: Inline[],
  spans: { from: number; to: number; type: "strong" | "em" | "del" }[],
): Inline[] {
  const begins = new Map<number, typeof spans>();
  for (const span of spans) begins.set(span.from, [span, ...(begins.get(span.from) ?? [])]);
  const stack: { until: number; type: "strong" | "em" | "del" | null; children: Inline[] }[] = [
    { until: Infinity, type: null, children: [] },
  ];
  pieces.forEach((piece, index) => {
    for (let top = stack.at(-1)!; top.until === index; top = stack.at(-1)!) {
      stack.pop();
      stack.at(-1)!.children.push({ type: top.type!, children: top.children });
    }
    if (piece.type !== "text" || piece.text) stack.at(-1)!.children.push(piece);
    for (const span of begins.get(index) ?? [])
      stack.push({ until: span.to, type: span.type, children: [] });
  });
  return stack[0]!.children;
}

export function read_inline(text: string): Inline[] {
  return new InlineReader(text, 0).read();
}
