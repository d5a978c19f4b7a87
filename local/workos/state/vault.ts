import { join } from 'node:path';
import { readJson, writeJson } from './store.ts';

interface Entry {
  readonly value: unknown;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Milliseconds between a change and its write. Many tokens are issued at once, and each write replaces the whole file. */
const writeDelay = 100;

/** Entries that expire by themselves: sessions, codes, grants, OAuth clients. They are kept in a separate file in `dir`. */
export class Vault {
  readonly #file: string;
  readonly #entries: Map<string, Entry>;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(dir: string) {
    this.#file = join(dir, 'grants.json');
    this.#entries = new Map(readJson<[string, Entry][]>(this.#file) ?? []);
  }

  /** Stores an entry. Without `seconds` it does not expire. */
  put<T>(key: string, value: T, seconds?: number): void {
    this.#entries.set(key, { value, expiresAt: seconds === undefined ? Number.MAX_SAFE_INTEGER : Date.now() + seconds * 1000 });
    this.#changed();
  }

  get<T>(key: string): T | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expiresAt > Date.now() ? (entry.value as T) : undefined;
  }

  take<T>(key: string): T | undefined {
    const value = this.get<T>(key);
    this.delete(key);
    return value;
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#changed();
  }

  keys(prefix: string): string[] {
    return [...this.#entries.keys()].filter((key) => key.startsWith(prefix));
  }

  /** Writes pending changes. Later changes are not kept. */
  close(): void {
    this.#closed = true;
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#write();
  }

  #changed(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => this.#write(), writeDelay);
  }

  #write(): void {
    this.#timer = undefined;
    const now = Date.now();
    for (const [key, entry] of this.#entries) if (entry.expiresAt <= now) this.#entries.delete(key);
    writeJson(this.#file, [...this.#entries]);
  }
}
