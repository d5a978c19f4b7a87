import { appendFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Name of the file in the spool's folder: a line of JSON for each record, `{time, reason, record}`. */
export const setAsideFile = 'refused.jsonl';
const maxBytes = 1024 * 1024;

/** Records that nobody will ever take: kept beside the spool, up to 1 MiB, so that they are in no other's way and not gone without a trace. */
export class SetAside<T extends { readonly id: string }> {
  readonly #path: string;
  readonly #now: () => number;
  #count = 0;
  #bytes: number;

  /** @param now Milliseconds since the epoch. */
  constructor(dir: string, now: () => number) {
    this.#path = join(dir, setAsideFile);
    this.#now = now;
    this.#bytes = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Since this process began, whether there was room for them or not. */
  get count(): number {
    return this.#count;
  }

  /** @returns whether it was kept: there was room, and the disk took it. */
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
