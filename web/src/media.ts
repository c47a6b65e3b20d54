// SPDX-License-Identifier: MIT
// Pictures and clips in an answer: shown with a button to save them.  What the server still makes is
// asked for until it is there; it then moves into the conversation, as the server's copy expires.
import { ask } from "./api";
import { blob_to_url } from "./attachments";
import type { Media } from "./conversation";
import { el, icon_button, save_file } from "./dom";

const JOB = /^(\/v1\/videos\/[^/?]+)\/content/;
const POLL_MS = 1000;

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function finished_job(path: string, progress: (percent: number) => void): Promise<void> {
  for (;;) {
    const job = await (await ask(path)).json();
    if (job.status === "completed") return;
    if (job.status === "failed" || job.status === "cancelled")
      throw new Error(job.error?.message ?? `the clip was ${job.status}`);
    progress(Number(job.progress) || 0);
    await wait(POLL_MS);
  }
}

async function fetched(media: Media, progress: (percent: number) => void): Promise<string> {
  const job = JOB.exec(media.url);
  if (job) await finished_job(job[1]!, progress);
  const blob = await (await ask(media.url)).blob();
  if (!blob.type.startsWith(`${media.kind}/`)) throw new Error(`this is no ${media.kind}`);
  return blob_to_url(blob);
}

function shown(media: Media): HTMLElement {
  const player =
    media.kind === "video"
      ? el("video", {
          src: media.url,
          controls: true,
          loop: true,
          playsinline: true,
          preload: "auto",
        })
      : el("img", { src: media.url, alt: "A picture that the model made" });
  const save = icon_button("save", `Save ${media.kind}`, async () => {
    const blob = await (await fetch(media.url)).blob();
    save_file(`hadal.${blob.type.split("/")[1] ?? "bin"}`, blob);
  });
  return el("div", { class: "shown" }, player, save);
}

// `keep` is called when media.url has become data of the page's own.
export function media_figure(media: Media, keep: () => void): HTMLElement {
  const figure = el("figure", { class: "media" });
  if (media.url.startsWith("data:")) {
    figure.append(shown(media));
    return figure;
  }
  const bar = el("progress", { max: 100, "aria-label": `The ${media.kind} is being made` });
  figure.append(bar);
  fetched(media, (percent) => (bar.value = percent)).then(
    (url) => {
      media.url = url;
      figure.replaceChildren(shown(media));
      keep();
    },
    (error: Error) =>
      figure.replaceChildren(el("p", { class: "error", role: "alert" }, error.message)),
  );
  return figure;
}
