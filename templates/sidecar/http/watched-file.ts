import { readFile, stat } from 'node:fs/promises';

/** How long a file is trusted before it is looked at again, in milliseconds; the time a revoked key may still work. */
export const recheckMs = 1000;

/**
 * A mounted file that changes while the process runs. It is looked at on use rather than watched: Kubernetes replaces mounted files
 * by swapping a symbolic link above them, which file watchers miss.
 */
export class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #now: () => number;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #identity = '';
  #value: Promise<T> | undefined;

  constructor(path: string, parse: (text: string) => T, now: () => number = () => performance.now()) {
    this.#path = path;
    this.#parse = parse;
    this.#now = now;
  }

  /** The parsed contents. Rejects while the file is missing or unreadable: earlier contents are not used any more. */
  current(): Promise<T> {
    if (this.#value !== undefined && this.#now() - this.#checkedAt < recheckMs) return this.#value;
    this.#checkedAt = this.#now();
    const before = this.#value;
    this.#value = this.#refresh(before);
    // Awaited by callers of this turn; a later one may find it rejected before anyone has looked.
    this.#value.catch(() => {});
    return this.#value;
  }

  async #refresh(before: Promise<T> | undefined): Promise<T> {
    try {
      const { ino, size, mtimeMs, ctimeMs } = await stat(this.#path);
      const identity = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
      if (identity === this.#identity && before !== undefined) return await before;
      const value = this.#parse(await readFile(this.#path, 'utf8'));
      this.#identity = identity;
      return value;
    } catch (error) {
      this.#identity = '';
      throw error;
    }
  }
}
