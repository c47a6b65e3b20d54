// SPDX-License-Identifier: MIT
// What the user chose, kept in the browser.  What is empty is the server's choice.

export const EFFORTS = ["", "none", "low", "high", "max"] as const;
export const THEMES = ["auto", "light", "dark"] as const;

export interface Settings {
  model: string;
  effort: (typeof EFFORTS)[number];
  temperature: number | null; // 0 to 2
  seed: number | null;
  max_tokens: number | null;
  system: string;
  theme: (typeof THEMES)[number];
}

const NAME = "hadal.settings";
const KEY_NAME = "hadal.key";

const DEFAULTS: Settings = {
  model: "",
  effort: "",
  temperature: null,
  seed: null,
  max_tokens: null,
  system: "",
  theme: "auto",
};

// localStorage throws where the user forbids it.
function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name: string, value: string): void {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch {
    // Then it holds until the page is closed.
  }
}

export function number_within(value: unknown, least: number, most: number): number | null {
  return typeof value === "number" && value >= least && value <= most ? value : null;
}

function one_of<T extends string>(value: unknown, choices: readonly T[]): T {
  return choices.includes(value as T) ? (value as T) : choices[0]!;
}

export function load_settings(): Settings {
  let stored: Record<string, unknown> = {};
  try {
    stored = JSON.parse(read(NAME) ?? "{}") ?? {};
  } catch {
    return { ...DEFAULTS };
  }
  return {
    model: typeof stored.model === "string" ? stored.model : "",
    effort: one_of(stored.effort, EFFORTS),
    temperature: number_within(stored.temperature, 0, 2),
    seed: number_within(stored.seed, 0, Number.MAX_SAFE_INTEGER),
    max_tokens: number_within(stored.max_tokens, 1, Number.MAX_SAFE_INTEGER),
    system: typeof stored.system === "string" ? stored.system : "",
    theme: one_of(stored.theme, THEMES),
  };
}

export function save_settings(settings: Settings): void {
  write(NAME, JSON.stringify(settings));
}

let key = read(KEY_NAME) ?? "";
export function api_key(): string {
  return key;
}
export function set_api_key(text: string): void {
  key = text;
  write(KEY_NAME, text);
}

export function show_theme(theme: Settings["theme"]): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
