/** Lets work on the same keys happen one after the other, and not more than so much at a time in all. */
export class Turns {
  readonly #most: number;
  readonly #tails = new Map<string, Promise<void>>();
  readonly #queue: (() => void)[] = [];
  #running = 0;
  #waiting = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Work that has not begun. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Does `work` after all earlier work on any of the keys has ended, whatever came of that. */
  async take<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const earlier = keys.map((key) => this.#tails.get(key));
    const ended = Promise.withResolvers<void>();
    // On all keys at once: two that want the same ones cannot wait for each other.
    for (const key of keys) this.#tails.set(key, ended.promise);
    this.#waiting += 1;
    await Promise.all(earlier);
    await this.#slot();
    this.#waiting -= 1;
    try {
      return await work();
    } finally {
      for (const key of keys) if (this.#tails.get(key) === ended.promise) this.#tails.delete(key);
      ended.resolve();
      const next = this.#queue.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  async #slot(): Promise<void> {
    if (this.#running === this.#most) {
      // The one that ends hands its place over.
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else this.#running += 1;
  }
}
