// SPDX-License-Identifier: MIT
// Server-sent events out of bytes (HTML Standard, section 9.2.6), in whatever pieces they come.
//
//   const reader = new EventReader();
//   for (const event of reader.feed(text)) …
//
// Comments are given too: the server says in them how far it has read a long prompt.

export interface ServerEvent {
  data?: string;
  comment?: string;
}

export class EventReader {
  private held = "";
  private data: string[] = [];

  *feed(text: string): Generator<ServerEvent> {
    this.held += text;
    // A carriage return at the end may be half of a line's end.
    for (let found; (found = /\r\n|\n|\r(?!$)/.exec(this.held));) {
      const line = this.held.slice(0, found.index);
      this.held = this.held.slice(found.index + found[0].length);
      if (line === "") {
        if (this.data.length) yield { data: this.data.join("\n") };
        this.data = [];
      } else if (line.startsWith(":")) {
        yield { comment: line.slice(1).trim() };
      } else if (line.startsWith("data:")) {
        this.data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
  }
}

export async function* events_of(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* events.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
