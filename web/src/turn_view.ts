// SPDX-License-Identifier: MIT
// One turn of the thread: what was said, how it is going, and what can be done about it.
import { attachment_chip } from "./attachments";
import type { Media, Turn, Usage } from "./conversation";
import { copy_button, el, icon, icon_button, replace } from "./dom";
import { media_figure } from "./media";
import { MarkdownView } from "./render";

export interface TurnActions {
  retry(turn: Turn): void;
  edit(turn: Turn, text: string): void;
  branch(turn: Turn): void;
  resume(turn: Turn): void;
  show(turn: Turn): void;
  keep(turn: Turn): void; // its data changed
}

// Of an answer that is being written.
export interface Progress {
  read?: { done: number; total: number };
  painted?: number; // percent, of a picture
}

const THINKING = "Thinking";

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

function rate_text(rate: number): string {
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`;
}

function facts(model: string | undefined, usage: Usage | undefined): string[] {
  const words = model ? [model] : [];
  if (!usage) return words;
  words.push(`${usage.output} ${usage.output === 1 ? "token" : "tokens"}`);
  if (usage.rate) words.push(rate_text(usage.rate));
  if (usage.cost) words.push(usage.cost);
  return words;
}

function usage_detail(usage: Usage | undefined): string | null {
  if (!usage) return null;
  const thought = usage.reasoning ? `, ${usage.reasoning} of them thinking` : "";
  return `Prompt: ${usage.prompt} tokens, ${usage.cached} from the cache. Answer: ${usage.output} tokens${thought}.`;
}

function progress_text(progress: Progress): string {
  const { read, painted } = progress;
  if (painted !== undefined) return painted > 0 ? `Painting, ${painted} %` : "Painting";
  if (!read || read.total === 0) return "";
  return `Reading the prompt, ${Math.floor((100 * read.done) / read.total)} %`;
}

const ENDINGS: Record<string, string> = {
  length: "Stopped at the length limit",
  stopped: "Stopped by you",
  interrupted: "Interrupted",
};

export class TurnView {
  readonly element: HTMLElement;
  private readonly markdown = new MarkdownView();
  private readonly thoughts = new MarkdownView();
  private readonly thinking_words = el("span");
  private readonly thinking = el("details", { class: "thinking", hidden: true });
  private readonly reading = el("p", { class: "reading", hidden: true });
  private readonly media = el("div", { class: "media-row" });
  private readonly ending = el("p", { class: "ending", hidden: true });
  private readonly error = el("p", { class: "error", role: "alert", hidden: true });
  private readonly footer = el("footer");
  private readonly shown_media = new Map<Media, HTMLElement>();

  constructor(
    readonly turn: Turn,
    private readonly actions: TurnActions,
  ) {
    this.markdown.element.classList.add("said");
    const who = turn.role === "user" ? "You" : "Answer";
    this.element = el("article", { class: `turn ${turn.role}`, "aria-label": who, tabindex: -1 });
    if (turn.role === "user") this.draw_user();
    else this.draw_assistant();
  }

  private draw_user(): void {
    const { turn } = this;
    const files = (turn.files ?? []).map((file) => attachment_chip(file));
    replace(
      this.element,
      files.length > 0 && el("ul", { class: "attachments" }, ...files),
      turn.text && el("div", { class: "bubble", dir: "auto" }, turn.text),
      this.footer,
    );
  }

  private draw_assistant(): void {
    const body = el("div", { class: "thoughts" }, this.thoughts.element);
    this.thinking.append(el("summary", {}, this.thinking_words, icon("down")), body);
    this.thinking.addEventListener("toggle", () => this.thoughts.update(this.shown_thoughts()));
    this.element.append(
      this.thinking,
      this.reading,
      this.markdown.element,
      this.media,
      this.ending,
      this.error,
      this.footer,
    );
  }

  // Folded thoughts cost nothing.
  private shown_thoughts(): string {
    return this.thinking.open ? (this.turn.reasoning ?? "") : "";
  }

  // `others`: the turns that could stand in its place, itself among them.
  update(others: Turn[], progress: Progress | null): void {
    if (this.turn.role === "assistant") this.update_answer(progress);
    this.element.classList.toggle("running", progress !== null);
    this.element.setAttribute("aria-busy", String(progress !== null));
    this.draw_footer(others, progress !== null);
  }

  // What changes while an answer is written.
  update_answer(progress: Progress | null): void {
    const { turn } = this;
    this.thinking.hidden = !turn.reasoning;
    const thinks = progress !== null && !turn.text;
    this.thinking.classList.toggle("busy", thinks);
    this.thinking_words.textContent =
      thinks || turn.reasoning_ms === undefined
        ? THINKING
        : `Thought for ${seconds(turn.reasoning_ms)}`;
    this.thoughts.update(this.shown_thoughts());
    this.reading.hidden = !(progress && !turn.reasoning && !turn.text && !turn.media);
    this.reading.textContent = progress ? progress_text(progress) : "";
    this.markdown.update(turn.text);
    this.update_media();
    this.ending.hidden = !ENDINGS[turn.finish ?? ""];
    this.ending.textContent = ENDINGS[turn.finish ?? ""] ?? "";
    this.error.hidden = !turn.error;
    if (turn.error) this.error.textContent = turn.error;
  }

  private update_media(): void {
    for (const media of this.turn.media ?? []) {
      if (this.shown_media.has(media)) continue;
      const figure = media_figure(media, () => this.actions.keep(this.turn));
      this.shown_media.set(media, figure);
      this.media.append(figure);
    }
  }

  private draw_footer(others: Turn[], running: boolean): void {
    const { turn, actions } = this;
    const assistant = turn.role === "assistant";
    const can_resume = assistant && turn.text && turn.finish !== "stop";
    const buttons = running
      ? []
      : [
          others.length > 1 && this.switcher(others),
          turn.text && copy_button(assistant ? "Copy answer" : "Copy question", () => turn.text),
          !assistant && icon_button("edit", "Edit and ask again", () => this.start_edit()),
          assistant && icon_button("retry", "Answer again", () => actions.retry(turn)),
          can_resume && icon_button("onward", "Go on writing", () => actions.resume(turn)),
          assistant &&
            icon_button("branch", "Branch into a new conversation", () => actions.branch(turn)),
        ];
    const words = assistant && !running ? facts(turn.model, turn.usage) : [];
    replace(
      this.footer,
      words.length > 0 &&
        el("span", { class: "facts", title: usage_detail(turn.usage) }, words.join(" · ")),
      ...buttons,
    );
  }

  private switcher(others: Turn[]): HTMLElement {
    const at = others.findIndex((other) => other.id === this.turn.id);
    const step = (to: number, name: "left" | "right", label: string): HTMLElement =>
      icon_button(name, label, () => this.actions.show(others[to]!), { disabled: !others[to] });
    return el(
      "span",
      { class: "switcher", role: "group", "aria-label": "Versions" },
      step(at - 1, "left", "Version before"),
      el("span", {}, `${at + 1}/${others.length}`),
      step(at + 1, "right", "Next version"),
    );
  }

  start_edit(): void {
    const area = el("textarea", { "aria-label": "Edit your question", rows: 3, dir: "auto" });
    area.value = this.turn.text;
    const cancel = (): void => {
      this.draw_user();
      this.footer.querySelector<HTMLElement>('[aria-label^="Edit"]')?.focus();
    };
    const send = (): void => {
      if (!area.value.trim() && !this.turn.files?.length) return;
      this.draw_user();
      this.actions.edit(this.turn, area.value);
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") cancel();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
      event.stopPropagation();
    });
    replace(
      this.element,
      el(
        "form",
        {
          class: "edit",
          onsubmit: (event: Event) => {
            event.preventDefault();
            send();
          },
        },
        area,
        el(
          "div",
          { class: "row" },
          el("button", { type: "button", class: "quiet", onclick: cancel }, "Cancel"),
          el("button", { type: "submit", class: "strong" }, "Ask again"),
        ),
      ),
    );
    area.focus();
  }
}
