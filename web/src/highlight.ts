// SPDX-License-Identifier: MIT
// Code in colours: one small tokenizer, and a table of what the languages call their things.  It
// colours what can be told without parsing; what it does not know stays plain.

export type TokenKind =
  | "plain"
  | "comment"
  | "string"
  | "number"
  | "keyword"
  | "type"
  | "call"
  | "name"
  | "added"
  | "removed"
  | "meta";

export interface CodeToken {
  kind: TokenKind;
  text: string;
}

interface Language {
  comments: string[]; // patterns
  strings: string[]; // patterns
  keywords: string;
  extra?: [TokenKind, string][]; // tried first
  case_blind?: boolean;
  plain_words?: boolean; // no types and calls by their look
}

const DOUBLE = '"(?:[^"\\\\\\n]|\\\\[^])*(?:"|$|(?=\\n))';
const SINGLE = "'(?:[^'\\\\\\n]|\\\\[^])*(?:'|$|(?=\\n))";
const SLASHES = "//[^\\n]*";
const STARS = "/\\*[^]*?(?:\\*/|$)";
const HASH = "#[^\\n]*";

const C_WORDS =
  "auto break case char const continue default do double else enum extern float for goto if inline int long register return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false NULL size_t";
const CPP_WORDS =
  " alignas alignof catch class concept consteval constexpr constinit const_cast co_await co_return co_yield decltype delete dynamic_cast explicit final friend mutable namespace new noexcept nullptr operator override private protected public reinterpret_cast requires static_assert static_cast template this thread_local throw try typename using virtual";
const JS_WORDS =
  "abstract as async await break case catch class const continue debugger declare default delete do else enum export extends false finally for from function get if implements import in infer instanceof interface is keyof let namespace never new null number object of private protected public readonly return satisfies set static string super switch this throw true try type typeof undefined unknown var void while yield boolean any";

const C_FAMILY = { comments: [SLASHES, STARS], strings: [DOUBLE, SINGLE] };

const LANGUAGES: Record<string, Language> = {
  c: { ...C_FAMILY, keywords: C_WORDS, extra: [["meta", "^[ \\t]*#[ \\t]*\\w+"]] },
  cpp: { ...C_FAMILY, keywords: C_WORDS + CPP_WORDS, extra: [["meta", "^[ \\t]*#[ \\t]*\\w+"]] },
  js: {
    comments: [SLASHES, STARS],
    strings: [DOUBLE, SINGLE, "`(?:[^`\\\\]|\\\\[^])*(?:`|$)"],
    keywords: JS_WORDS,
  },
  java: {
    ...C_FAMILY,
    keywords:
      C_WORDS +
      " abstract assert boolean byte catch class extends final finally fun implements import instanceof interface internal is in as let guard func init protocol extension native new null object open out override package private protected public record sealed super synchronized this throw throws transient try using val var when where yield async await string namespace foreach nil self",
    extra: [["meta", "@\\w+"]],
  },
  go: {
    comments: [SLASHES, STARS],
    strings: [DOUBLE, SINGLE, "`[^`]*(?:`|$)"],
    keywords:
      "break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var true false nil iota any bool byte error float32 float64 int int8 int16 int32 int64 rune string uint uint8 uint16 uint32 uint64 uintptr make new len cap append",
  },
  rust: {
    comments: [SLASHES, STARS],
    strings: [DOUBLE, "'(?:[^'\\\\\\n]|\\\\.[^']{0,8})'"],
    keywords:
      "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize",
    extra: [
      ["meta", "#!?\\[[^\\]\\n]*\\]"],
      ["meta", "\\b\\w+!"],
    ],
  },
  python: {
    comments: [HASH],
    strings: [
      "[rbfuRBFU]{0,2}(?:\"\"\"[^]*?(?:\"\"\"|$)|'''[^]*?(?:'''|$))",
      "[rbfuRBFU]{0,2}" + DOUBLE,
      "[rbfuRBFU]{0,2}" + SINGLE,
    ],
    keywords:
      "and as assert async await break case class continue def del elif else except False finally for from global if import in is lambda match None nonlocal not or pass raise return True try while with yield self",
    extra: [["meta", "^[ \\t]*@[\\w.]+"]],
  },
  ruby: {
    comments: [HASH],
    strings: [DOUBLE, SINGLE],
    keywords:
      "alias and begin break case class def do else elsif end ensure false for if in module next nil not or redo rescue retry return self super then true undef unless until when while yield local function repeat require puts",
    extra: [
      ["name", ":[a-z_]\\w*"],
      ["name", "[@$]\\w+"],
    ],
  },
  lua: {
    comments: ["--\\[\\[[^]*?(?:\\]\\]|$)", "--[^\\n]*"],
    strings: [DOUBLE, SINGLE],
    keywords:
      "and break do else elseif end false for function goto if in local nil not or repeat return then true until while",
  },
  sh: {
    comments: ["(?:^|(?<=\\s))#[^\\n]*"],
    strings: ['"(?:[^"\\\\]|\\\\[^])*(?:"|$)', "'[^']*(?:'|$)"],
    keywords:
      "if then else elif fi for while until do done case esac in function select time return exit break continue local export readonly declare source alias unset shift trap set cd echo printf read test sudo",
    extra: [
      ["name", "\\$(?:\\w+|\\{[^}\\n]*\\}|[?!#@*$-])"],
      ["type", "(?<=\\s)--?[A-Za-z][\\w-]*"],
      ["meta", "^[ \\t]*[$%](?= )"],
    ],
    plain_words: true,
  },
  sql: {
    comments: ["--[^\\n]*", STARS],
    strings: [SINGLE, DOUBLE],
    keywords:
      "add all alter and as asc begin between by case check column commit constraint create cross database default delete desc distinct drop else end exists explain foreign from full group having if in index inner insert into is join key left like limit not null offset on or order outer primary references returning right rollback select set table then transaction union unique update values view when where with integer int text varchar char real float boolean date timestamp serial bigint true false count sum avg min max coalesce",
    case_blind: true,
    plain_words: true,
  },
  json: {
    comments: [SLASHES],
    strings: [DOUBLE],
    keywords: "true false null",
    extra: [["name", '"(?:[^"\\\\\\n]|\\\\.)*"(?=\\s*:)']],
    plain_words: true,
  },
  yaml: {
    comments: ["(?:^|(?<=\\s))#[^\\n]*"],
    strings: [DOUBLE, SINGLE],
    keywords: "true false null yes no on off",
    extra: [
      ["name", '^[ \\t]*(?:- )?[\\w.\\-/"]+(?=\\s*[:=](?:\\s|$))'],
      ["meta", "^[ \\t]*\\[[^\\]\\n]*\\]"],
      ["meta", "^---"],
    ],
    plain_words: true,
  },
  html: {
    comments: ["<!--[^]*?(?:-->|$)"],
    strings: [DOUBLE, SINGLE],
    keywords: "",
    extra: [
      ["keyword", "</?[A-Za-z][\\w:.-]*"],
      ["keyword", "/?>"],
      ["name", "[\\w:@.-]+(?==)"],
      ["meta", "<!\\w[^>]*>"],
      ["number", "&[#\\w]{1,12};"],
    ],
    plain_words: true,
  },
  css: {
    comments: [STARS],
    strings: [DOUBLE, SINGLE],
    keywords: "important inherit initial unset none auto",
    extra: [
      ["number", "#[0-9a-fA-F]{3,8}\\b"],
      ["meta", "@[\\w-]+"],
      ["name", "--?[\\w-]+(?=\\s*:)|[a-z-]+(?=\\s*:[^:{]*[;}\\n])"],
      ["type", "[.#][A-Za-z_-][\\w-]*"],
    ],
  },
  diff: {
    comments: [],
    strings: [],
    keywords: "",
    extra: [
      ["meta", "^(?:@@|diff|index|---|\\+\\+\\+)[^\\n]*"],
      ["added", "^\\+[^\\n]*"],
      ["removed", "^-[^\\n]*"],
    ],
    plain_words: true,
  },
};

const ALIASES: Record<string, string> = {
  h: "c",
  "c++": "cpp",
  cc: "cpp",
  cxx: "cpp",
  hpp: "cpp",
  cuda: "cpp",
  cu: "cpp",
  objc: "cpp",
  glsl: "cpp",
  javascript: "js",
  jsx: "js",
  ts: "js",
  tsx: "js",
  typescript: "js",
  mjs: "js",
  kotlin: "java",
  kt: "java",
  swift: "java",
  cs: "java",
  csharp: "java",
  "c#": "java",
  scala: "java",
  dart: "java",
  php: "java",
  golang: "go",
  rs: "rust",
  py: "python",
  python3: "python",
  rb: "ruby",
  bash: "sh",
  shell: "sh",
  zsh: "sh",
  console: "sh",
  dockerfile: "sh",
  makefile: "sh",
  cmake: "sh",
  json5: "json",
  jsonc: "json",
  yml: "yaml",
  toml: "yaml",
  ini: "yaml",
  conf: "yaml",
  xml: "html",
  svg: "html",
  vue: "html",
  scss: "css",
  less: "css",
  patch: "diff",
  sqlite: "sql",
  postgresql: "sql",
};

interface Compiled {
  pattern: RegExp;
  kinds: TokenKind[];
  words: Set<string>;
  language: Language;
}
const compiled = new Map<string, Compiled>();

function compile(name: string): Compiled | null {
  const known = compiled.get(name);
  if (known) return known;
  if (!Object.hasOwn(LANGUAGES, name)) return null;
  const language = LANGUAGES[name]!;
  const rules: [TokenKind, string][] = [
    ...(language.comments.map((text) => ["comment", text]) as [TokenKind, string][]),
    ...(language.extra ?? []),
    ...(language.strings.map((text) => ["string", text]) as [TokenKind, string][]),
    [
      "number",
      "\\b(?:0[xX][\\da-fA-F_']+|0[bB][01_']+|\\d[\\d_']*(?:\\.\\d+)?(?:[eE][+-]?\\d+)?)\\w{0,3}\\b",
    ],
    ["plain", "[A-Za-z_$][\\w$]*"],
  ];
  const made: Compiled = {
    pattern: new RegExp(rules.map(([, text]) => `(${text})`).join("|"), "gm"),
    kinds: rules.map(([kind]) => kind),
    words: new Set(language.keywords.split(" ")),
    language,
  };
  compiled.set(name, made);
  return made;
}

function kind_of_word(word: string, code: string, end: number, by: Compiled): TokenKind {
  if (by.words.has(by.language.case_blind ? word.toLowerCase() : word)) return "keyword";
  if (by.language.plain_words) return "plain";
  if (code[end] === "(") return "call";
  return /^[A-Z]\w*[a-z]/.test(word) ? "type" : "plain";
}

// Longer code stays plain: colouring it would be felt while it streams.
const MOST_CODE = 100_000;

export function highlight(code: string, lang: string): CodeToken[] {
  const by =
    code.length <= MOST_CODE ? compile(Object.hasOwn(ALIASES, lang) ? ALIASES[lang]! : lang) : null;
  if (!by) return [{ kind: "plain", text: code }];
  const tokens: CodeToken[] = [];
  const add = (kind: TokenKind, text: string): void => {
    const last = tokens.at(-1);
    if (last?.kind === kind) last.text += text;
    else if (text) tokens.push({ kind, text });
  };
  let at = 0;
  for (const found of code.matchAll(by.pattern)) {
    if (!found[0]) continue;
    add("plain", code.slice(at, found.index));
    const group = found.findIndex((text, index) => index > 0 && text !== undefined) - 1;
    at = found.index + found[0].length;
    const kind = by.kinds[group]!;
    const word = group === by.kinds.length - 1;
    add(word ? kind_of_word(found[0], code, at, by) : kind, found[0]);
  }
  add("plain", code.slice(at));
  return tokens;
}
