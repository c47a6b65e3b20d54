// SPDX-License-Identifier: MIT
// Elements from words: el("p", { class: "hint" }, "Hello").
//
// Strings become text nodes and attributes, never markup, so nothing that a model writes can become
// an element of its own.  Attributes that could run or load something take only what the caller
// wrote down; links of a model's text go through safe_link() in inline.ts.

export type Child = Node | string | null | undefined | false;
type Handler = (event: never) => void;
export type Props = Record<string, string | number | boolean | null | undefined | Handler>;

function set_props(element: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function")
      element.addEventListener(name.replace(/^on/, ""), value as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set_props(element, props);
  append(element, ...children);
  return element;
}

export function append(parent: Node, ...children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(typeof child === "string" ? document.createTextNode(child) : child);
  }
}

export function replace(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  append(parent, ...children);
}

export function by_id<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found as T;
}

// Outlines on a grid of 24, drawn with the text's colour.
const ICONS = {
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 13l4 4L19 7",
  retry: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4.5h4.5",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  branch: "M7 4v16M7 14c8 0 10-3 10-8M14 8l3-3 3 3",
  clip: "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.4 3.4 0 0 1 4.8 4.8L9.5 17a1.7 1.7 0 0 1-2.4-2.4L15 6.7",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  down: "M6 10l6 6 6-6",
  end: "M12 5v14M6 13l6 6 6-6",
  save: "M12 4v11M7 10l5 5 5-5M5 20h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  gear: "M4 8h8M18 8h2M4 16h2M12 16h8M15 5.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5M9 13.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5",
  search: "M11 4a7 7 0 1 0 0 14a7 7 0 1 0 0-14M16 16l4.5 4.5",
  onward: "M5 6l7 6-7 6zM19 6v12",
  file: "M6 3h8l5 5v13H6zM14 3v5h5",
  more: "M5 12h.01M12 12h.01M19 12h.01",
} as const;
export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  set_props(svg, { viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" });
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.appendChild(path);
  return svg;
}

export function icon_button(
  name: IconName,
  label: string,
  act: () => void,
  props: Props = {},
): HTMLButtonElement {
  return el(
    "button",
    {
      type: "button",
      class: "icon-button",
      "aria-label": label,
      title: label,
      onclick: act,
      ...props,
    },
    icon(name),
  );
}

// Over plain HTTP from another machine there is no navigator.clipboard.
export async function copy_text(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // The permission may be missing; the old way still works.
    }
  }
  const area = el("textarea", { class: "offscreen", "aria-hidden": "true" });
  area.value = text;
  document.body.appendChild(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

// A button that copies what `text` gives, and says that it did.
export function copy_button(label: string, text: () => string): HTMLButtonElement {
  const button = icon_button("copy", label, async () => {
    const copied = await copy_text(text());
    replace(button, icon(copied ? "check" : "close"));
    announce(copied ? "Copied" : "Could not copy");
    setTimeout(() => replace(button, icon("copy")), 1500);
  });
  button.classList.add("copy");
  return button;
}

// To screen readers, when they have a pause.
export function announce(text: string): void {
  by_id("status").textContent = text;
}

export function save_file(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: name });
  document.body.appendChild(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
