import { appendFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Name of the file in the spool's folder. Each line is JSON: `{time, reason, record}`. */
export const deadLetterFile = 'refused.jsonl';
const maxBytes = 1024 * 1024;

/** Keeps records that the receiver refused for good in a file of at most 1 MiB, so that they block no other record and can be examined. */
export class DeadLetters<T extends { readonly id: string }> {
  readonly #path: string;
  readonly #now: () => number;
  #count = 0;
  #bytes: number;

  /** @param now Milliseconds since the epoch. */
  constructor(dir: string, now: () => number) {
    this.#path = join(dir, deadLetterFile);
    this.#now = now;
    this.#bytes = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Records refused since this process started, including those that did not fit into the file. */
  get count(): number {
    return this.#count;
  }

  /** @returns false when the file is full or the disk failed. */
  add(record: T, reason: string): boolean {
    this.#count += 1;
    const line = `${JSON.stringify({ time: new Date(this.#now()).toISOString(), reason, record })}\n`;
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes > maxBytes) return false;
    try {
      appendFileSync(this.#path, line, { mode: 0o600 });
      this.#bytes += bytes;
      return true;
    } catch {
      return false;
    }
  }
}
