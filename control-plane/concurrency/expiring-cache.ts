interface Entry<T> {
  readonly value: T;
  readonly until: number;
}

/** Caches answers for the lifetime of each, and sends one request for callers that need the same answer at the same time. */
export class ExpiringCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #asking = new Map<string, Promise<T>>();
  readonly #maxEntries: number;
  readonly #now: () => number;

  /** @param now milliseconds of a monotonic clock. */
  constructor(options: { maxEntries?: number; now?: () => number } = {}) {
    this.#maxEntries = options.maxEntries ?? 10_000;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The cached answer, or else the answer of `ask`. Failures are not cached. `lifetime` is in milliseconds; 0 for no caching. */
  get(key: string, ask: () => Promise<T>, lifetime: (value: T) => number): Promise<T> {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.until > this.#now()) return Promise.resolve(entry.value);
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    const answer: Promise<T> = ask()
      .then((value) => {
        // `forget` may have been called meanwhile.
        if (this.#asking.get(key) === answer) this.#remember(key, value, lifetime(value));
        return value;
      })
      .finally(() => {
        if (this.#asking.get(key) === answer) this.#asking.delete(key);
      });
    this.#asking.set(key, answer);
    return answer;
  }

  /** The cached answer while it is fresh. */
  fresh(key: string): T | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.until > this.#now() ? entry.value : undefined;
  }

  /** The last cached answer, of any age. */
  last(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Caches an answer from elsewhere. `lifetime` is in milliseconds. */
  put(key: string, value: T, lifetime: number): void {
    this.#remember(key, value, lifetime);
  }

  /** Removes the cached answer. The answer of a request that is under way will not be cached. */
  forget(key: string): void {
    this.#entries.delete(key);
    this.#asking.delete(key);
  }

  #remember(key: string, value: T, lifetime: number): void {
    this.#entries.delete(key);
    if (lifetime <= 0) return;
    this.#entries.set(key, { value, until: this.#now() + lifetime });
    if (this.#entries.size <= this.#maxEntries) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }
}
