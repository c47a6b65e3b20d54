// SPDX-License-Identifier: MIT
// Where questions are written.  Enter sends, Shift+Enter makes a line; on a phone, whose keyboard has
// no Shift to speak of, Enter makes a line and the button sends.
import { ArtChoice } from "./art_choice";
import { AttachmentTray } from "./attachments";
import type { Art, Attachment } from "./conversation";
import { by_id, icon, icon_button, replace } from "./dom";

function is_touch(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

export interface ComposerActions {
  send(text: string, files: Attachment[], art: Art): void;
  stop(): void;
  edit_last(): void;
  refuse(why: string): void;
  sees(): boolean | undefined;
}

export class Composer {
  private readonly form = by_id<HTMLFormElement>("composer");
  private readonly area = by_id<HTMLTextAreaElement>("question");
  private readonly button = by_id<HTMLButtonElement>("send");
  private readonly picker = by_id<HTMLInputElement>("picker");
  private readonly tray: AttachmentTray;
  private readonly art = new ArtChoice(() => this.name_place());
  private model = "";
  private running = false;

  constructor(private readonly actions: ComposerActions) {
    this.tray = new AttachmentTray(actions.sees, actions.refuse, () => this.update());
    this.form.prepend(this.tray.element);
    const attach = icon_button("clip", "Attach files", () => this.picker.click());
    by_id("composer-row").prepend(attach);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) actions.stop();
      else this.send();
    });
    this.area.addEventListener("input", () => this.update());
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.picker.addEventListener("change", () => {
      void this.tray.add([...(this.picker.files ?? [])]);
      this.picker.value = "";
    });
    this.accept_paste();
    this.accept_drop();
    this.update();
  }

  get text(): string {
    return this.area.value;
  }
  set text(text: string) {
    this.area.value = text;
    this.update();
  }
  focus(): void {
    this.area.focus({ preventScroll: true });
  }
  name_model(name: string, makes: string[]): void {
    this.model = name;
    this.art.offer(makes);
    this.name_place();
  }
  set_running(running: boolean): void {
    this.running = running;
    this.update();
  }

  private name_place(): void {
    const writes = this.art.value === "text";
    this.area.placeholder = writes && this.model ? `Ask ${this.model}` : this.art.placeholder;
    this.update();
  }

  // A picture is made of words, whatever is attached.
  private get empty(): boolean {
    return !this.area.value.trim() && (this.tray.empty || this.art.value !== "text");
  }

  private send(): void {
    if (this.empty) return;
    const text = this.area.value.trim();
    this.area.value = "";
    this.actions.send(text, this.tray.take(), this.art.value);
    if (!is_touch()) this.focus(); // on a phone the keyboard would hide the answer
  }

  private key(event: KeyboardEvent): void {
    if (
      event.key === "Enter" &&
      !event.shiftKey &&
      !event.isComposing &&
      (!is_touch() || event.ctrlKey)
    ) {
      event.preventDefault();
      if (!this.running) this.send();
    } else if (event.key === "ArrowUp" && !this.area.value && !this.running) {
      event.preventDefault();
      this.actions.edit_last();
    }
  }

  private update(): void {
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight}px`;
    const label = this.running ? "Stop" : "Send";
    this.button.disabled = !this.running && this.empty;
    this.button.classList.toggle("stop", this.running);
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    replace(this.button, icon(this.running ? "stop" : "send"));
  }

  private accept_paste(): void {
    this.area.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      void this.tray.add(files);
    });
  }

  private accept_drop(): void {
    const has_files = (event: DragEvent): boolean =>
      event.dataTransfer?.types.includes("Files") ?? false;
    const mark = (on: boolean): void => void document.body.classList.toggle("dropping", on);
    document.addEventListener("dragover", (event) => {
      if (!has_files(event)) return;
      event.preventDefault();
      mark(true);
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) mark(false);
    });
    document.addEventListener("drop", (event) => {
      mark(false);
      if (!has_files(event)) return;
      event.preventDefault();
      void this.tray.add([...event.dataTransfer!.files]);
    });
  }
}
