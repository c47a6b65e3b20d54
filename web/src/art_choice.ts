// SPDX-License-Identifier: MIT
// What kind of answer is asked for: written, drawn or filmed.  Only kinds that the model makes are
// offered, and none where it only writes.
import type { Art } from "./conversation";
import { by_id, el, replace } from "./dom";

const NAMES: Record<Art, string> = { text: "Write", picture: "Draw", clip: "Film" };
const PROMPTS: Record<Art, string> = {
  text: "Ask",
  picture: "A picture of …",
  clip: "A clip of …",
};

export class ArtChoice {
  private readonly group = by_id<HTMLFieldSetElement>("art");
  private chosen: Art = "text";

  constructor(private readonly changed: () => void) {}

  get value(): Art {
    return this.chosen;
  }
  get placeholder(): string {
    return PROMPTS[this.chosen];
  }

  offer(modalities: string[]): void {
    const kinds: Art[] = ["text"];
    if (modalities.includes("image")) kinds.push("picture");
    if (modalities.includes("video")) kinds.push("clip");
    if (!kinds.includes(this.chosen)) this.chosen = "text";
    this.group.hidden = kinds.length === 1;
    replace(this.group, ...kinds.map((kind) => this.button(kind)));
  }

  private button(kind: Art): HTMLElement {
    const radio = el("input", {
      type: "radio",
      name: "art",
      value: kind,
      checked: kind === this.chosen,
      onchange: () => {
        this.chosen = kind;
        this.changed();
      },
    });
    return el("label", {}, radio, el("span", {}, NAMES[kind]));
  }
}
