// SPDX-License-Identifier: MIT
// The list of conversations: by day, searched by title; a drawer on narrow screens.
import { by_id, el, icon_button } from "./dom";
import type { Summary } from "./store";

export interface SidebarActions {
  open(id: string): void;
  create(): void;
  rename(id: string, title: string): void;
  remove(id: string): void;
  import_files(files: File[]): void;
}

const DAY_MS = 86_400_000;

function group_of(updated: number, now: number): string {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (updated >= midnight) return "Today";
  if (updated >= midnight - DAY_MS) return "Yesterday";
  if (updated >= midnight - 6 * DAY_MS) return "This week";
  return new Date(updated).toLocaleDateString(undefined, { month: "long", year: "numeric" });
}

export class Sidebar {
  private readonly element = by_id("sidebar");
  private readonly list = by_id("conversations");
  private readonly search = by_id<HTMLInputElement>("search");
  private readonly shade = by_id("shade");
  private readonly main = by_id("main");
  private readonly opener = by_id("open-sidebar");
  private readonly narrow = matchMedia("(max-width: 800px)");
  private summaries: Summary[] = [];
  private current = "";

  constructor(private readonly actions: SidebarActions) {
    by_id("new").addEventListener("click", () => actions.create());
    this.opener.addEventListener("click", () => this.toggle(true));
    by_id("close-sidebar").addEventListener("click", () => this.toggle(false));
    this.shade.addEventListener("click", () => this.toggle(false));
    this.search.addEventListener("input", () => this.draw());
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle(false);
    });
    this.narrow.addEventListener("change", () => this.toggle(false));
    const picker = by_id<HTMLInputElement>("import");
    by_id("import-button").addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      actions.import_files([...(picker.files ?? [])]);
      picker.value = "";
    });
    this.toggle(false);
  }

  show(summaries: Summary[], current: string): void {
    this.summaries = summaries;
    this.current = current;
    this.draw();
  }

  focus_search(): void {
    if (this.narrow.matches) this.toggle(true);
    this.search.focus();
  }

  // Only on narrow screens it can be shut; what is shut is out of reach for keys and readers.
  toggle(open: boolean): void {
    const drawer = this.narrow.matches;
    const was_open = document.body.classList.contains("drawer-open");
    document.body.classList.toggle("drawer-open", drawer && open);
    this.element.inert = drawer && !open;
    this.main.inert = drawer && open;
    this.opener.setAttribute("aria-expanded", String(!drawer || open));
    if (drawer && open) by_id("close-sidebar").focus();
    else if (drawer && was_open) this.opener.focus();
  }

  private draw(): void {
    const wanted = this.search.value.trim().toLowerCase();
    const found = this.summaries.filter((one) => one.title.toLowerCase().includes(wanted));
    this.list.replaceChildren();
    let group = "";
    let items: HTMLElement | null = null;
    for (const summary of found) {
      const name = group_of(summary.updated, Date.now());
      if (name !== group || !items) {
        items = el("ul", {});
        this.list.append(el("section", {}, el("h2", {}, name), items));
        group = name;
      }
      items.append(this.item(summary));
    }
    if (!found.length)
      this.list.append(
        el("p", { class: "hint" }, wanted ? "Nothing found" : "Conversations appear here."),
      );
  }

  private item(summary: Summary): HTMLElement {
    const title = summary.title || "New conversation";
    const here = summary.id === this.current;
    const open = el(
      "a",
      {
        href: `#/c/${summary.id}`,
        "aria-current": here ? "page" : null,
        title,
        onclick: (event: Event) => {
          event.preventDefault();
          this.actions.open(summary.id);
          this.toggle(false);
        },
      },
      title,
    );
    const item: HTMLElement = el(
      "li",
      { class: here ? "here" : null },
      open,
      el(
        "span",
        { class: "tools" },
        icon_button("edit", `Rename ${title}`, () => this.rename(item, summary)),
        icon_button("trash", `Delete ${title}`, () => this.actions.remove(summary.id)),
      ),
    );
    return item;
  }

  private rename(item: HTMLElement, summary: Summary): void {
    const input = el("input", {
      type: "text",
      "aria-label": "Title",
      maxlength: 200,
      value: summary.title,
    });
    let done = false;
    const end = (keep: boolean): void => {
      if (done) return;
      done = true;
      const title = input.value.trim();
      if (keep && title) this.actions.rename(summary.id, title);
      else this.draw();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
      event.stopPropagation();
    });
    input.addEventListener("blur", () => end(true));
    item.replaceChildren(input);
    input.select();
  }
}
