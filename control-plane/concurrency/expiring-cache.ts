interface Entry<T> {
  readonly value: T;
  readonly until: number;
}

/** Remembers answers for as long as each says it is good for, and asks once where many want the same answer at the same time. */
export class ExpiringCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #asking = new Map<string, Promise<T>>();
  readonly #maxEntries: number;
  readonly #now: () => number;

  /** @param now milliseconds, of any origin. */
  constructor(options: { maxEntries?: number; now?: () => number } = {}) {
    this.#maxEntries = options.maxEntries ?? 10_000;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The remembered answer, or that of `ask`; failures are not remembered. `lifetime` in milliseconds, 0 to not remember. */
  get(key: string, ask: () => Promise<T>, lifetime: (value: T) => number): Promise<T> {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.until > this.#now()) return Promise.resolve(entry.value);
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    const answer: Promise<T> = ask()
      .then((value) => {
        // Unless it was forgotten meanwhile.
        if (this.#asking.get(key) === answer) this.#remember(key, value, lifetime(value));
        return value;
      })
      .finally(() => {
        if (this.#asking.get(key) === answer) this.#asking.delete(key);
      });
    this.#asking.set(key, answer);
    return answer;
  }

  /** What was last remembered, however old. */
  last(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Remembers what was learnt otherwise; lifetime in milliseconds. */
  put(key: string, value: T, lifetime: number): void {
    this.#remember(key, value, lifetime);
  }

  /** Drops what is remembered, and what is being asked at this moment will not be remembered. */
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
