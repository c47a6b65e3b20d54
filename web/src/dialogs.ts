// SPDX-License-Identifier: MIT
// The dialogs: settings and the key.  They are the browser's own <dialog>, which keeps the focus.
import { balance_text, type Model } from "./api";
import { by_id, el, icon_button } from "./dom";
import { api_key, EFFORTS, number_within, THEMES, type Settings } from "./settings";

const EFFORT_NAMES: Record<string, string> = {
  "": "As the model usually does",
  none: "None",
  low: "Low",
  high: "High",
  max: "Maximal",
};
const THEME_NAMES: Record<string, string> = { auto: "As the system", light: "Light", dark: "Dark" };

function dialog(title: string, ...children: HTMLElement[]): HTMLDialogElement {
  const box = el("dialog", { "aria-label": title });
  const close = icon_button("close", "Close", () => box.close());
  box.append(el("header", {}, el("h2", {}, title), close), ...children);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close(); // beside it
  });
  document.body.append(box);
  box.showModal();
  return box;
}

function field(label: string, control: HTMLElement, hint?: string): HTMLElement {
  return el(
    "label",
    { class: "field" },
    el("span", {}, label),
    control,
    hint ? el("small", {}, hint) : null,
  );
}

function chooser(
  choices: readonly string[],
  names: (value: string) => string,
  now: string,
): HTMLSelectElement {
  const control = el("select");
  for (const value of choices)
    control.append(el("option", { value, selected: value === now }, names(value)));
  return control;
}

function number_field(
  now: number | null,
  least: number,
  most: number,
  step: number | "any",
  empty: string,
): HTMLInputElement {
  return el("input", {
    type: "number",
    min: least,
    max: most,
    step,
    placeholder: empty,
    value: now,
    inputmode: "decimal",
  });
}

function number_of(input: HTMLInputElement): number | null {
  return input.value === ""
    ? null
    : number_within(Number(input.value), Number(input.min), Number(input.max));
}

const KEYS: [string, string][] = [
  ["Enter", "send"],
  ["Shift Enter", "new line"],
  ["Esc", "stop the answer"],
  ["↑", "edit the last question"],
  ["Ctrl Shift O", "new conversation"],
  ["Ctrl K", "search conversations"],
];

function key_list(): HTMLElement {
  const list = el("dl", { class: "keys" });
  for (const [keys, meaning] of KEYS)
    list.append(
      el(
        "div",
        {},
        el("dt", {}, ...keys.split(" ").map((key) => el("kbd", {}, key))),
        el("dd", {}, meaning),
      ),
    );
  return el("details", {}, el("summary", {}, "Keys"), list);
}

// `changed` is called with the new settings at every change.
export function settings_dialog(
  models: Model[],
  settings: Settings,
  changed: (settings: Settings) => void,
  change_key: () => void,
): void {
  const ids = ["", ...models.map((model) => model.id)];
  const model = chooser(ids, (id) => id || "The server's", settings.model);
  const effort = chooser(EFFORTS, (value) => EFFORT_NAMES[value]!, settings.effort);
  const usual =
    (models.find((one) => one.id === settings.model) ?? models[0])?.default_temperature ?? 1;
  const temperature = number_field(settings.temperature, 0, 2, "any", String(usual));
  const seed = number_field(settings.seed, 0, Number.MAX_SAFE_INTEGER, 1, "random");
  const most = number_field(settings.max_tokens, 1, 10_000_000, 1, "the server's");
  const system = el("textarea", {
    rows: 3,
    placeholder: "Said to the model before every conversation",
  });
  system.value = settings.system;
  const theme = chooser(THEMES, (value) => THEME_NAMES[value]!, settings.theme);
  const form = el(
    "form",
    { method: "dialog" },
    field("Model", model),
    field("Thinking effort", effort),
    el(
      "div",
      { class: "columns" },
      field("Temperature", temperature, "0 to 2"),
      field("Seed", seed, "same seed, same answer"),
      field("Longest answer", most, "tokens"),
    ),
    field("Instructions", system),
    field("Colours", theme),
  );
  form.addEventListener("input", () =>
    changed({
      model: model.value,
      effort: effort.value as Settings["effort"],
      temperature: number_of(temperature),
      seed: number_of(seed),
      max_tokens: number_of(most),
      system: system.value,
      theme: theme.value as Settings["theme"],
    }),
  );
  const account = el("p", { class: "account" });
  const box = dialog("Settings", form, key_list(), account);
  account.append(
    el(
      "button",
      {
        type: "button",
        class: "quiet",
        onclick: () => {
          box.close();
          change_key();
        },
      },
      api_key() ? "Change the key" : "Use a key",
    ),
  );
  if (api_key())
    balance_text().then(
      (text) => text && account.append(el("span", {}, `Balance: ${text}`)),
      () => undefined, // then it is not known
    );
}

// Asks for a key; `why` is what the server said.
export function key_dialog(why: string, given: (key: string) => void): void {
  if (document.getElementById("key-form")) return;
  const input = el("input", {
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    value: api_key(),
    required: true,
  });
  const form = el(
    "form",
    { id: "key-form" },
    why && el("p", { class: "hint" }, why),
    field("Key", input, "It stays in this browser and is sent to this server only."),
    el("div", { class: "row" }, el("button", { type: "submit", class: "strong" }, "Use this key")),
  );
  const box = dialog("API key", form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    box.close();
    box.remove(); // now: "close" comes later, and the server may ask for another key before
    given(input.value.trim());
  });
  input.focus();
}

let toast_timer = 0;

// A line that goes by itself; with an action, such as taking something back.
export function toast(text: string, action?: { name: string; act: () => void }): void {
  const box = by_id("toast");
  const hide = (): void => void (box.hidden = true);
  box.replaceChildren(el("span", {}, text));
  if (action)
    box.append(
      el(
        "button",
        {
          type: "button",
          onclick: () => {
            hide();
            action.act();
          },
        },
        action.name,
      ),
    );
  box.hidden = false;
  clearTimeout(toast_timer);
  toast_timer = window.setTimeout(hide, 6000);
}

export type ExportForm = "json" | "md";

const EXPORTS: [ExportForm, string, string][] = [
  ["md", "Markdown", "What is on show, to read elsewhere"],
  ["json", "JSON", "Everything, with all versions and files; can be imported again"],
];

export function export_dialog(chosen: (form: ExportForm) => void): void {
  const box = dialog(
    "Export",
    ...EXPORTS.map(([form, name, meaning]) =>
      el(
        "button",
        {
          type: "button",
          class: "choice",
          onclick: () => {
            box.close();
            chosen(form);
          },
        },
        el("strong", {}, name),
        el("span", {}, meaning),
      ),
    ),
  );
}
