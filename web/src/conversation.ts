// SPDX-License-Identifier: MIT
// A conversation is a tree of turns: asking again or editing adds a sibling, and `chosen` says which
// child of each turn is on show.  Plain data, as it is stored and exported; no DOM here.

export interface Attachment {
  name: string;
  type: string; // of its content, "image/png"; text files have "text/plain"
  text?: string; // of a text file
  url?: string; // of a picture or clip: a data URL
}

export interface Media {
  kind: "image" | "video";
  url: string; // a data URL, or a path of this server
}

export interface Usage {
  prompt: number;
  cached: number;
  output: number;
  reasoning: number;
  rate: number; // tokens a second, 0 if unknown
  cost?: string; // "0.0012 USD"
}

// What an answer is to be.
export type Art = "text" | "picture" | "clip";

// How an answer ended; none while it is written.
export type Finish = "stop" | "length" | "stopped" | "interrupted" | "error";

export interface Turn {
  id: string;
  parent: string; // "" for a first one
  role: "user" | "assistant";
  text: string;
  created: number; // ms since 1970
  files?: Attachment[];
  art?: Art; // a question that was not to be answered in words
  reasoning?: string;
  reasoning_ms?: number;
  media?: Media[];
  model?: string;
  finish?: Finish;
  error?: string;
  usage?: Usage;
}

export interface Conversation {
  version: 1;
  id: string;
  title: string;
  created: number;
  updated: number;
  turns: Record<string, Turn>;
  chosen: Record<string, string>; // parent → child
}

export function make_id(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function new_conversation(now: number): Conversation {
  return {
    version: 1,
    id: make_id(),
    title: "",
    created: now,
    updated: now,
    turns: {},
    chosen: {},
  };
}

// The turns on show, first to last.
export function path_of(conversation: Conversation): Turn[] {
  const path: Turn[] = [];
  let parent = "";
  for (;;) {
    const turn = conversation.turns[conversation.chosen[parent] ?? ""];
    if (!turn || path.includes(turn)) return path;
    path.push(turn);
    parent = turn.id;
  }
}

// From the first turn to this one, itself included.
export function path_to(conversation: Conversation, turn: Turn): Turn[] {
  const path: Turn[] = [];
  for (
    let at: Turn | undefined = turn;
    at && !path.includes(at);
    at = conversation.turns[at.parent]
  )
    path.unshift(at);
  return path;
}

export function siblings_of(conversation: Conversation, turn: Turn): Turn[] {
  return Object.values(conversation.turns)
    .filter((other) => other.parent === turn.parent && other.role === turn.role)
    .sort((a, b) => a.created - b.created);
}

export function add_turn(
  conversation: Conversation,
  turn: Omit<Turn, "id" | "created">,
  now: number,
): Turn {
  const made: Turn = { ...turn, id: make_id(), created: now };
  conversation.turns[made.id] = made;
  choose(conversation, made);
  conversation.updated = now;
  if (!conversation.title && made.role === "user") conversation.title = title_from(made);
  return made;
}

export function choose(conversation: Conversation, turn: Turn): void {
  conversation.chosen[turn.parent] = turn.id;
}

// A conversation of its own that has been the same up to this turn.
export function branch_at(conversation: Conversation, turn: Turn, now: number): Conversation {
  const branch = new_conversation(now);
  branch.title = conversation.title;
  for (const old of path_to(conversation, turn)) {
    branch.turns[old.id] = structuredClone(old);
    branch.chosen[old.parent] = old.id;
  }
  return branch;
}

const LONGEST_TITLE = 60;

function title_from(turn: Turn): string {
  const words = turn.text.trim().replace(/\s+/g, " ") || turn.files?.[0]?.name || "";
  return words.length > LONGEST_TITLE ? words.slice(0, LONGEST_TITLE - 1).trimEnd() + "…" : words;
}

type Part =
  | { type: "text"; text: string }
  | { type: "image_url"; image_url: { url: string } }
  | { type: "video_url"; video_url: { url: string } };

export interface Message {
  role: "system" | "user" | "assistant";
  content: string | Part[];
  prefix?: boolean;
}

// A fence longer than any in the text.
function fenced(file: Attachment): string {
  const text = file.text ?? "";
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${file.name}:\n${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}

function content_of(turn: Turn): string | Part[] {
  const texts = (turn.files ?? []).filter((file) => file.text !== undefined).map(fenced);
  if (turn.text) texts.push(turn.text);
  const text = texts.join("\n\n");
  const seen = (turn.files ?? []).filter((file) => file.url !== undefined);
  if (!seen.length) return text;
  const parts: Part[] = seen.map((file) =>
    file.type.startsWith("video/")
      ? { type: "video_url", video_url: { url: file.url! } }
      : { type: "image_url", image_url: { url: file.url! } },
  );
  if (text) parts.push({ type: "text", text });
  return parts;
}

// What is sent for a picture or clip: its caption stands for itself.
export function order_of(asked: Turn): Message[] {
  return [{ role: "user", content: content_of(asked) }];
}

// What is sent: answers that came to nothing are left out, pictures and the words that ordered them
// too, and thinking is never sent back.
export function messages_of(path: Turn[], system: string): Message[] {
  const messages: Message[] = system.trim() ? [{ role: "system", content: system }] : [];
  for (const turn of path)
    if (turn.role === "user" ? !turn.art : turn.text)
      messages.push({ role: turn.role, content: content_of(turn) });
  return messages;
}

const KNOWN_MEDIA = /^(image\/(png|jpeg|gif|webp)|video\/(mp4|webm));?/;

export function is_media_url(url: unknown): url is string {
  return (
    typeof url === "string" &&
    (url.startsWith("data:")
      ? KNOWN_MEDIA.test(url.slice(5))
      : /^\/[a-zA-Z0-9_\-/.?=&]*$/.test(url) && !url.startsWith("//"))
  );
}

// An exported file, looked at field by field: it may come from anywhere.
export function read_conversation(value: unknown): Conversation {
  const text = (at: unknown, name: string): string => {
    if (typeof at !== "string") throw new Error(`${name}: expected a string`);
    return at;
  };
  const moment = (at: unknown): number => (typeof at === "number" && Number.isFinite(at) ? at : 0);
  const from = (value ?? {}) as Record<string, unknown>;
  if (from.version !== 1) throw new Error("not a conversation of this page (version 1)");
  const made = new_conversation(moment(from.created));
  made.title = text(from.title, "title").slice(0, 200);
  made.updated = moment(from.updated);
  for (const [id, entry] of Object.entries((from.turns ?? {}) as Record<string, unknown>)) {
    const old = (entry ?? {}) as Record<string, unknown>;
    if (!/^[0-9a-f]{24}$/.test(id)) throw new Error("turns: an id is not of this page");
    const turn: Turn = {
      id,
      parent: text(old.parent, "parent"),
      role: old.role === "assistant" ? "assistant" : "user",
      text: text(old.text, "text"),
      created: moment(old.created),
    };
    if (typeof old.reasoning === "string") turn.reasoning = old.reasoning;
    if (typeof old.model === "string") turn.model = old.model;
    if (turn.role === "assistant") turn.finish = "stop";
    else if (old.art === "picture" || old.art === "clip") turn.art = old.art;
    for (const file of Array.isArray(old.files) ? old.files : []) {
      const one: Attachment = { name: text(file?.name, "name"), type: text(file?.type, "type") };
      if (typeof file.text === "string") one.text = file.text;
      if (is_media_url(file.url)) one.url = file.url;
      (turn.files ??= []).push(one);
    }
    for (const shown of Array.isArray(old.media) ? old.media : [])
      if (is_media_url(shown?.url))
        (turn.media ??= []).push({
          kind: shown.kind === "video" ? "video" : "image",
          url: shown.url,
        });
    made.turns[id] = turn;
  }
  for (const turn of Object.values(made.turns)) made.chosen[turn.parent] ??= turn.id;
  for (const [parent, child] of Object.entries((from.chosen ?? {}) as Record<string, unknown>))
    if (typeof child === "string" && made.turns[child]?.parent === parent)
      made.chosen[parent] = child;
  return made;
}

// For people: Markdown of the turns on show.
export function to_markdown(conversation: Conversation): string {
  const parts = [`# ${conversation.title || "Conversation"}`];
  for (const turn of path_of(conversation)) {
    parts.push(`## ${turn.role === "user" ? "You" : turn.model || "Assistant"}`);
    for (const file of turn.files ?? []) parts.push(`*Attached: ${file.name}*`);
    if (turn.reasoning)
      parts.push(`<details><summary>Thinking</summary>\n\n${turn.reasoning}\n\n</details>`);
    if (turn.text) parts.push(turn.text);
  }
  return parts.join("\n\n") + "\n";
}
