import pLimit, { type LimitFunction } from 'p-limit';

/** Runs work that shares a key one after the other, and at most `limit` pieces of work at a time. */
export class KeyedMutex {
  readonly #limit: LimitFunction;
  /** For each key, the end of the work that came last. */
  readonly #tails = new Map<string, Promise<void>>();
  #waiting = 0;

  constructor(limit: number) {
    this.#limit = pLimit(limit);
  }

  /** Pieces of work that have not started. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs `work` after all earlier work on any of the keys has ended, with or without success. */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const earlier = keys.map((key) => this.#tails.get(key));
    const ended = Promise.withResolvers<void>();
    // All keys are claimed at once, so that two pieces of work with the same keys cannot wait for each other.
    for (const key of keys) this.#tails.set(key, ended.promise);
    this.#waiting += 1;
    await Promise.all(earlier);
    try {
      return await this.#limit(() => {
        this.#waiting -= 1;
        return work();
      });
    } finally {
      for (const key of keys) if (this.#tails.get(key) === ended.promise) this.#tails.delete(key);
      ended.resolve();
    }
  }
}
