// SPDX-License-Identifier: MIT
// The page's life: which conversation is open, which answers are being written, what is stored when.
import {
  ApiError,
  art_body_of,
  body_of,
  list_models,
  stream_chat,
  type Delta,
  type Model,
} from "./api";
import { Composer } from "./composer";
import {
  add_turn,
  branch_at,
  choose,
  messages_of,
  order_of,
  new_conversation,
  path_of,
  path_to,
  read_conversation,
  to_markdown,
  type Art,
  type Attachment,
  type Conversation,
  type Turn,
} from "./conversation";
import { export_dialog, key_dialog, settings_dialog, toast, type ExportForm } from "./dialogs";
import { announce, by_id, icon_button, save_file } from "./dom";
import { load_settings, save_settings, set_api_key, show_theme } from "./settings";
import { Sidebar } from "./sidebar";
import type { Store } from "./store";
import { Thread } from "./thread";
import type { Progress } from "./turn_view";

const SAVE_EVERY_MS = 1000; // what a crash of the browser may lose

interface Run {
  conversation: Conversation;
  turn: Turn;
  abort: AbortController;
  progress: Progress;
  thinking_since: number;
  saved: number;
}

export class App {
  private settings = load_settings();
  private models: Model[] = [];
  private conversation = new_conversation(Date.now());
  private readonly runs = new Map<string, Run>(); // by the turn's id
  private readonly open_conversations = new Map<string, Conversation>(); // those with runs
  private readonly removed = new Set<string>();
  private drawing = false;
  private readonly thread: Thread;
  private readonly composer: Composer;
  private readonly sidebar: Sidebar;

  constructor(private readonly store: Store) {
    this.thread = new Thread({
      retry: (turn) => this.answer(this.conversation, turn.parent),
      edit: (turn, text) => this.ask_again(turn, text),
      branch: (turn) => void this.branch(turn),
      resume: (turn) => this.resume(turn),
      show: (turn) => {
        choose(this.conversation, turn);
        void this.save(this.conversation);
        this.draw();
      },
      keep: () => void this.save(this.conversation),
    });
    this.composer = new Composer({
      send: (text, files, art) => this.send(text, files, art),
      stop: () => this.stop(),
      edit_last: () => this.thread.edit_last_question(),
      refuse: (why) => toast(why),
      sees: () => this.model()?.modalities?.includes("image"),
    });
    this.sidebar = new Sidebar({
      open: (id) => void this.open(id),
      create: () => this.create(),
      rename: (id, title) => void this.rename(id, title),
      remove: (id) => void this.remove(id),
      import_files: (files) => void this.import_files(files),
    });
  }

  async start(): Promise<void> {
    this.add_header_buttons();
    this.listen();
    for (const button of document.querySelectorAll<HTMLButtonElement>("#welcome .ideas button"))
      button.addEventListener("click", () => this.send(button.textContent ?? "", []));
    await this.open(location.hash.replace(/^#\/c\//, ""));
    if (!this.store.lasting) toast("This browser keeps nothing; conversations end with the page.");
    await this.load_models();
  }

  // --- conversations

  private async open(id: string): Promise<void> {
    const found = this.open_conversations.get(id) ?? (id ? await this.store.load(id) : undefined);
    this.enter(found ?? new_conversation(Date.now()));
    if (found && this.settle_interrupted(found)) await this.save(found);
    this.draw();
    await this.draw_list();
    this.thread.scroll_to_end();
  }

  private create(): void {
    this.enter(new_conversation(Date.now()));
    this.draw();
    void this.draw_list();
    this.sidebar.toggle(false);
    this.composer.focus();
  }

  private enter(conversation: Conversation): void {
    this.conversation = conversation;
    const known = Object.keys(conversation.turns).length > 0;
    const place = known ? `#/c/${conversation.id}` : location.pathname;
    if (location.hash !== (known ? place : "")) history.pushState(null, "", place);
  }

  // Answers that a closed page left half written.
  private settle_interrupted(conversation: Conversation): boolean {
    const open = Object.values(conversation.turns).filter(
      (turn) => turn.role === "assistant" && !turn.finish && !this.runs.has(turn.id),
    );
    for (const turn of open) turn.finish = "interrupted";
    return open.length > 0;
  }

  private async branch(turn: Turn): Promise<void> {
    const branch = branch_at(this.conversation, turn, Date.now());
    await this.save(branch);
    await this.open(branch.id);
    announce("A new conversation that begins as this one");
    this.composer.focus();
  }

  private async rename(id: string, title: string): Promise<void> {
    const conversation = this.live(id) ?? (await this.store.load(id));
    if (!conversation) return;
    conversation.title = title;
    await this.save(conversation);
    this.draw_title();
  }

  private async remove(id: string): Promise<void> {
    this.removed.add(id); // answers that are stopped now must not bring it back
    for (const run of this.runs.values()) if (run.conversation.id === id) run.abort.abort();
    const removed = await this.store.load(id);
    await this.store.remove(id);
    if (id === this.conversation.id) this.create();
    await this.draw_list();
    if (removed)
      toast("Conversation deleted", { name: "Undo", act: () => void this.bring_back(removed) });
  }

  private async bring_back(conversation: Conversation): Promise<void> {
    this.removed.delete(conversation.id);
    await this.save(conversation);
    await this.open(conversation.id);
  }

  // The one that is in use, if it is: it may be newer than what is stored.
  private live(id: string): Conversation | undefined {
    return id === this.conversation.id ? this.conversation : this.open_conversations.get(id);
  }

  private async save(conversation: Conversation): Promise<void> {
    if (this.removed.has(conversation.id)) return;
    try {
      await this.store.save(conversation);
    } catch (error) {
      toast(`Not stored: ${(error as Error).message}`);
    }
    await this.draw_list();
  }

  private export_as(form: ExportForm): void {
    const name = (this.conversation.title || "conversation")
      .replace(/[^\p{L}\p{N}]+/gu, "-")
      .slice(0, 40);
    const text =
      form === "json" ? JSON.stringify(this.conversation, null, 1) : to_markdown(this.conversation);
    save_file(
      `${name}.${form}`,
      new Blob([text], { type: form === "json" ? "application/json" : "text/markdown" }),
    );
  }

  private async import_files(files: File[]): Promise<void> {
    let last = "";
    for (const file of files) {
      try {
        const conversation = read_conversation(JSON.parse(await file.text()));
        await this.save(conversation);
        last = conversation.id;
      } catch (error) {
        toast(`${file.name}: ${(error as Error).message}`);
      }
    }
    if (last) await this.open(last);
  }

  // --- questions and answers

  private send(text: string, files: Attachment[], art: Art = "text"): void {
    const parent = path_of(this.conversation).at(-1)?.id ?? "";
    this.put_question({ parent, text, files, art });
  }

  private ask_again(turn: Turn, text: string): void {
    this.put_question({
      parent: turn.parent,
      text,
      files: turn.files ?? [],
      art: turn.art ?? "text",
    });
  }

  private put_question(asked: {
    parent: string;
    text: string;
    files: Attachment[];
    art: Art;
  }): void {
    const { parent, text, files, art } = asked;
    const turn = add_turn(
      this.conversation,
      {
        parent,
        role: "user",
        text,
        ...(files.length ? { files } : {}),
        ...(art === "text" ? {} : { art }),
      },
      Date.now(),
    );
    this.enter(this.conversation);
    this.answer(this.conversation, turn.id);
  }

  private answer(conversation: Conversation, question: string): void {
    const turn = add_turn(
      conversation,
      { parent: question, role: "assistant", text: "" },
      Date.now(),
    );
    const asked = conversation.turns[question];
    if (asked?.art) {
      const body = art_body_of(order_of(asked), this.settings, asked.art);
      void this.run(conversation, turn, body, { painted: 0 });
      return;
    }
    const path = asked ? path_to(conversation, asked) : [];
    const messages = messages_of(path, this.settings.system);
    void this.run(conversation, turn, body_of(messages, this.settings), {});
  }

  private resume(turn: Turn): void {
    const messages = messages_of(path_to(this.conversation, turn), this.settings.system);
    messages.at(-1)!.prefix = true;
    delete turn.finish;
    delete turn.error;
    void this.run(this.conversation, turn, body_of(messages, this.settings), {});
  }

  private stop(): void {
    for (const run of this.runs.values())
      if (run.conversation === this.conversation) run.abort.abort();
  }

  private async run(
    conversation: Conversation,
    turn: Turn,
    body: Record<string, unknown>,
    progress: Progress,
  ): Promise<void> {
    const run: Run = {
      conversation,
      turn,
      abort: new AbortController(),
      progress,
      thinking_since: 0,
      saved: 0,
    };
    this.runs.set(turn.id, run);
    this.open_conversations.set(conversation.id, conversation);
    this.draw();
    this.thread.scroll_to_end();
    announce(`The answer is being ${progress.painted === undefined ? "written" : "painted"}`);
    await this.save(conversation);
    try {
      for await (const delta of stream_chat(body, run.abort.signal)) {
        this.take(run, delta);
        this.draw_soon();
        if (Date.now() - run.saved > SAVE_EVERY_MS) {
          run.saved = Date.now();
          void this.store.save(conversation).catch(() => undefined); // the last save will tell
        }
      }
      turn.finish ??= "stop";
    } catch (error) {
      this.note_failure(turn, error as Error);
    }
    this.finish(run);
  }

  private take(run: Run, delta: Delta): void {
    const { turn } = run;
    const now = Date.now();
    if (delta.kind === "reasoning") {
      run.thinking_since ||= now;
      turn.reasoning = (turn.reasoning ?? "") + delta.text;
      turn.reasoning_ms = now - run.thinking_since;
    } else if (delta.kind === "text") {
      turn.text += delta.text;
    } else if (delta.kind === "media") {
      (turn.media ??= []).push(delta.media);
    } else if (delta.kind === "progress") {
      run.progress.read = { done: delta.done, total: delta.total };
    } else if (delta.kind === "painting") {
      run.progress.painted = delta.percent;
    } else {
      if (delta.model) turn.model = delta.model;
      if (delta.finish) turn.finish = delta.finish;
      if (delta.usage) turn.usage = delta.usage;
    }
  }

  private note_failure(turn: Turn, error: Error): void {
    if (error.name === "AbortError") {
      turn.finish = "stopped";
      return;
    }
    turn.finish = "error";
    turn.error = error.message.charAt(0).toUpperCase() + error.message.slice(1);
    if (error instanceof ApiError && error.status === 401) this.ask_key(error.message);
  }

  private finish(run: Run): void {
    this.runs.delete(run.turn.id);
    const others = [...this.runs.values()].some((other) => other.conversation === run.conversation);
    if (!others) this.open_conversations.delete(run.conversation.id);
    run.conversation.updated = Date.now();
    void this.save(run.conversation);
    if (run.conversation !== this.conversation) return;
    this.draw();
    if (!run.turn.error)
      announce(run.turn.finish === "stopped" ? "Stopped" : "The answer is complete");
  }

  // --- what is seen

  private model(): Model | undefined {
    return this.models.find((model) => model.id === this.settings.model) ?? this.models[0];
  }

  private async load_models(): Promise<void> {
    try {
      this.models = await list_models();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.ask_key(error.message);
      else toast((error as Error).message);
    }
    this.draw_model();
  }

  private ask_key(why: string): void {
    key_dialog(why, (key) => {
      set_api_key(key);
      void this.load_models();
    });
  }

  private draw(): void {
    this.thread.show(this.conversation, (turn) => this.runs.get(turn.id)?.progress ?? null);
    const running = [...this.runs.values()].some((run) => run.conversation === this.conversation);
    this.composer.set_running(running);
    this.draw_title();
  }

  // Once a frame is enough for text that grows; hidden pages draw no frames.
  private draw_soon(): void {
    if (this.drawing) return;
    this.drawing = true;
    const later = document.hidden
      ? (act: () => void) => setTimeout(act, 250)
      : requestAnimationFrame;
    later(() => {
      this.drawing = false;
      for (const run of this.runs.values())
        if (run.conversation === this.conversation) this.thread.grow(run.turn, run.progress);
    });
  }

  private draw_title(): void {
    const title = this.conversation.title || "New conversation";
    by_id("title").textContent = title;
    document.title = this.conversation.title ? `${title} · Hadal` : "Hadal";
    by_id("header-tools").hidden = Object.keys(this.conversation.turns).length === 0;
  }

  private draw_model(): void {
    const model = this.model();
    by_id("model").textContent = model?.id ?? "";
    this.composer.name_model(model?.id ?? "", model?.output_modalities ?? []);
    const context = model?.context_length;
    by_id("welcome-model").textContent = model
      ? `${model.id}${context ? ` · ${context.toLocaleString("en")} tokens of context` : ""}`
      : "";
  }

  private async draw_list(): Promise<void> {
    this.sidebar.show(await this.store.list(), this.conversation.id);
  }

  private add_header_buttons(): void {
    by_id("header-tools").append(
      icon_button("save", "Export", () => export_dialog((form) => this.export_as(form))),
    );
    const settings = icon_button("gear", "Settings", () => this.open_settings(), {
      id: "settings",
    });
    by_id("header-tools").after(settings);
  }

  private open_settings(): void {
    settings_dialog(
      this.models,
      this.settings,
      (settings) => {
        this.settings = settings;
        save_settings(settings);
        show_theme(settings.theme);
        this.draw_model();
      },
      () => this.ask_key(""),
    );
  }

  private listen(): void {
    window.addEventListener("popstate", () => void this.open(location.hash.replace(/^#\/c\//, "")));
    window.addEventListener("pagehide", () => {
      for (const run of this.runs.values())
        void this.store.save(run.conversation).catch(() => undefined);
    });
    document.addEventListener("keydown", (event) => {
      const command = event.ctrlKey || event.metaKey;
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) this.stop();
      else if (command && event.shiftKey && event.key.toLowerCase() === "o") this.create();
      else if (command && event.key.toLowerCase() === "k") this.sidebar.focus_search();
      else return;
      if (command) event.preventDefault();
    });
  }
}
