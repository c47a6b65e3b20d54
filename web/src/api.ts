// SPDX-License-Identifier: MIT
// The server's API as this page uses it: models, the balance, and answers as they are written.
import {
  is_media_url,
  type Art,
  type Finish,
  type Media,
  type Message,
  type Usage,
} from "./conversation";
import { api_key, type Settings } from "./settings";
import { events_of } from "./sse";

export interface Model {
  id: string;
  context_length?: number;
  modalities?: string[];
  output_modalities?: string[];
  default_temperature?: number;
}

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: the server was not reached
    message: string,
  ) {
    super(message);
  }
}

export type Delta =
  | { kind: "progress"; done: number; total: number }
  | { kind: "painting"; percent: number }
  | { kind: "reasoning"; text: string }
  | { kind: "text"; text: string }
  | { kind: "media"; media: Media }
  | { kind: "facts"; model?: string; finish?: Finish; usage?: Usage };

export function headers(): Record<string, string> {
  return api_key() ? { Authorization: `Bearer ${api_key()}` } : {};
}

async function error_of(response: Response): Promise<ApiError> {
  let message = `the server answered ${response.status}`;
  try {
    const body = await response.json();
    if (typeof body?.error?.message === "string") message = body.error.message;
  } catch {
    // No words of its own.
  }
  return new ApiError(response.status, message);
}

export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: { ...headers(), ...init.headers } });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError(0, "hadal cannot be reached; is the server running?");
  }
  if (!response.ok) throw await error_of(response);
  return response;
}

export async function list_models(): Promise<Model[]> {
  const body = await (await ask("/v1/models")).json();
  return (Array.isArray(body?.data) ? body.data : []).filter(
    (model: Model) => typeof model?.id === "string",
  );
}

// "12.30 USD", or nothing where nobody counts.
export async function balance_text(): Promise<string> {
  const body = await (await ask("/user/balance")).json();
  const infos = Array.isArray(body?.balance_infos) ? body.balance_infos : [];
  return infos
    .map((info: Record<string, string>) => `${info.total_balance} ${info.currency}`)
    .join(", ");
}

export function body_of(messages: Message[], settings: Settings): Record<string, unknown> {
  const body: Record<string, unknown> = {
    messages,
    stream: true,
    stream_options: { include_usage: true },
  };
  if (settings.model) body.model = settings.model;
  if (settings.effort) body.reasoning_effort = settings.effort;
  if (settings.temperature !== null) body.temperature = settings.temperature;
  if (settings.seed !== null) body.seed = settings.seed;
  if (settings.max_tokens !== null) body.max_tokens = settings.max_tokens;
  // A continued answer has had its thoughts.
  if (messages.at(-1)?.prefix) {
    delete body.reasoning_effort;
    body.thinking = { type: "disabled" };
  }
  return body;
}

// Words alone say what is drawn; what the settings say of text means nothing to it.
export function art_body_of(
  messages: Message[],
  settings: Settings,
  art: Art,
): Record<string, unknown> {
  const body = body_of(messages, {
    ...settings,
    effort: "",
    temperature: null,
    max_tokens: null,
  });
  body.modalities = ["text", art === "clip" ? "video" : "image"];
  return body;
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

// What comes from outside has no type until it was looked at.
type Foreign = any;

function usage_of(usage: Foreign, timings: Foreign): Usage {
  return {
    prompt: number(usage?.prompt_tokens),
    cached: number(usage?.prompt_cache_hit_tokens ?? usage?.prompt_tokens_details?.cached_tokens),
    output: number(usage?.completion_tokens ?? timings?.predicted_n),
    reasoning: number(usage?.completion_tokens_details?.reasoning_tokens),
    rate: number(timings?.predicted_per_second),
    ...(usage?.cost?.currency ? { cost: `${usage.cost.amount} ${usage.cost.currency}` } : {}),
  };
}

// Pictures and clips: delta.images and delta.videos, or parts of the content.
function* media_of(parts: unknown): Generator<Delta> {
  for (const part of Array.isArray(parts) ? (parts as Foreign[]) : []) {
    if (typeof part?.text === "string") yield { kind: "text", text: part.text };
    const video = part?.video_url !== undefined;
    const source = video ? part.video_url : part?.image_url;
    const url = typeof source === "string" ? source : source?.url;
    if (is_media_url(url)) yield { kind: "media", media: { kind: video ? "video" : "image", url } };
  }
}

function* deltas_of(chunk: Foreign): Generator<Delta> {
  const choice = chunk.choices?.[0];
  const delta = choice?.delta ?? {};
  if (typeof delta.reasoning_content === "string" && delta.reasoning_content)
    yield { kind: "reasoning", text: delta.reasoning_content };
  if (typeof delta.content === "string" && delta.content)
    yield { kind: "text", text: delta.content };
  yield* media_of(delta.content);
  yield* media_of(delta.images);
  yield* media_of(delta.videos);
  if (typeof chunk.model === "string") yield { kind: "facts", model: chunk.model };
  if (choice?.finish_reason)
    yield { kind: "facts", finish: choice.finish_reason === "length" ? "length" : "stop" };
}

// Ends when the server says so; a connection that only breaks off is an error.
export async function* stream_chat(body: unknown, signal: AbortSignal): AsyncGenerator<Delta> {
  const response = await ask("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  let timings: Foreign = null;
  try {
    for await (const event of events_of(response.body!)) {
      const progress = /^prefill (\d+)\/(\d+)/.exec(event.comment ?? "");
      if (progress)
        yield { kind: "progress", done: Number(progress[1]), total: Number(progress[2]) };
      const painted = /^painted (\d+) %/.exec(event.comment ?? "");
      if (painted) yield { kind: "painting", percent: Number(painted[1]) };
      if (event.data === undefined) continue;
      if (event.data === "[DONE]") return;
      const chunk: Foreign = JSON.parse(event.data);
      if (chunk.error) throw new ApiError(500, String(chunk.error.message ?? "the server failed"));
      timings = chunk.timings ?? timings;
      yield* deltas_of(chunk);
      if (chunk.usage) yield { kind: "facts", usage: usage_of(chunk.usage, timings) };
    }
  } catch (error) {
    if (error instanceof ApiError || (error as Error).name === "AbortError") throw error;
  }
  throw new ApiError(0, "the connection broke off; what had arrived is kept");
}
