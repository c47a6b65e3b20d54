// SPDX-License-Identifier: MIT
// Files that go with a question: by button, pasted or dropped.  Text goes into the prompt as text,
// pictures and clips as data URLs; anything else is refused in words.
import type { Attachment } from "./conversation";
import { el, icon, icon_button } from "./dom";

const MOST_TEXT = 1 << 20; // bytes: a quarter of a million tokens
const MOST_MEDIA = 32 << 20; // the server takes 64 MiB a request, and base64 needs a third more
const MOST_FILES = 16;

const SEEN = ["image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4", "video/webm"];

function data_url(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

export const blob_to_url = data_url;

async function read_text(file: File): Promise<string> {
  if (file.size > MOST_TEXT) throw new Error(`${file.name} is larger than 1 MB of text`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} is neither text nor a picture or clip`);
  }
}

// `sees`: whether the model takes pictures; undefined if the server does not say.
export async function read_file(file: File, sees: boolean | undefined): Promise<Attachment> {
  const name = file.name || "pasted";
  if (!SEEN.includes(file.type)) {
    const text = await read_text(file);
    if (text.includes("\0")) throw new Error(`${name} is neither text nor a picture or clip`);
    return { name, type: "text/plain", text };
  }
  if (sees === false) throw new Error(`${name} was left out: this model reads text only`);
  if (file.size > MOST_MEDIA) throw new Error(`${name} is larger than 32 MB`);
  return { name, type: file.type, url: await data_url(file) };
}

export function attachment_chip(file: Attachment, remove?: () => void): HTMLElement {
  const picture =
    file.url && file.type.startsWith("image/")
      ? el("img", { src: file.url, alt: "" })
      : icon("file");
  return el(
    "li",
    { class: "attachment", title: file.name },
    picture,
    el("span", { class: "name" }, file.name),
    remove && icon_button("close", `Remove ${file.name}`, remove),
  );
}

// The files that wait in the composer.
export class AttachmentTray {
  readonly element = el("ul", { class: "attachments", "aria-label": "Attachments", hidden: true });
  private files: Attachment[] = [];

  constructor(
    private readonly sees: () => boolean | undefined,
    private readonly refuse: (why: string) => void,
    private readonly changed: () => void,
  ) {}

  async add(files: Iterable<File>): Promise<void> {
    for (const file of files) {
      try {
        if (this.files.length >= MOST_FILES) throw new Error(`at most ${MOST_FILES} files`);
        this.files.push(await read_file(file, this.sees()));
      } catch (error) {
        this.refuse((error as Error).message);
      }
    }
    this.draw();
  }
  take(): Attachment[] {
    const taken = this.files;
    this.files = [];
    this.draw();
    return taken;
  }
  get empty(): boolean {
    return this.files.length === 0;
  }

  private draw(): void {
    this.element.hidden = this.empty;
    this.element.replaceChildren(
      ...this.files.map((file) =>
        attachment_chip(file, () => {
          this.files = this.files.filter((other) => other !== file);
          this.draw();
        }),
      ),
    );
    this.changed();
  }
}
