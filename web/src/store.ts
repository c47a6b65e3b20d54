// SPDX-License-Identifier: MIT
// Conversations in the browser (IndexedDB): a list that is read at once, and the conversations
// themselves, read when they are opened.  Where the browser keeps nothing, as in some private
// windows, they live as long as the page.
import type { Conversation } from "./conversation";

export interface Summary {
  id: string;
  title: string;
  updated: number;
}

export interface Store {
  lasting: boolean;
  list(): Promise<Summary[]>; // latest first
  load(id: string): Promise<Conversation | undefined>;
  save(conversation: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
}

const summary_of = ({ id, title, updated }: Conversation): Summary => ({ id, title, updated });
const latest_first = (a: Summary, b: Summary): number => b.updated - a.updated;

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

class DatabaseStore implements Store {
  readonly lasting = true;
  constructor(private readonly database: IDBDatabase) {}

  async list(): Promise<Summary[]> {
    const store = this.database.transaction("summaries").objectStore("summaries");
    return ((await settled(store.getAll())) as Summary[]).sort(latest_first);
  }
  async load(id: string): Promise<Conversation | undefined> {
    return settled(this.database.transaction("conversations").objectStore("conversations").get(id));
  }
  async save(conversation: Conversation): Promise<void> {
    const change = this.database.transaction(["conversations", "summaries"], "readwrite");
    change.objectStore("conversations").put(conversation);
    change.objectStore("summaries").put(summary_of(conversation));
    return finished(change);
  }
  async remove(id: string): Promise<void> {
    const change = this.database.transaction(["conversations", "summaries"], "readwrite");
    change.objectStore("conversations").delete(id);
    change.objectStore("summaries").delete(id);
    return finished(change);
  }
}

class MemoryStore implements Store {
  readonly lasting = false;
  private readonly kept = new Map<string, Conversation>();

  async list(): Promise<Summary[]> {
    return [...this.kept.values()].map(summary_of).sort(latest_first);
  }
  async load(id: string): Promise<Conversation | undefined> {
    return structuredClone(this.kept.get(id));
  }
  async save(conversation: Conversation): Promise<void> {
    this.kept.set(conversation.id, structuredClone(conversation));
  }
  async remove(id: string): Promise<void> {
    this.kept.delete(id);
  }
}

export async function open_store(): Promise<Store> {
  try {
    const request = indexedDB.open("hadal", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("conversations", { keyPath: "id" });
      request.result.createObjectStore("summaries", { keyPath: "id" });
    };
    return new DatabaseStore(await settled(request));
  } catch {
    return new MemoryStore();
  }
}
