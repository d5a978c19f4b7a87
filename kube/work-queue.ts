export interface WorkQueueOptions {
  /** First delay after a failure, in milliseconds; doubles with each further failure of the same key. */
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** Told of a handler that threw, and of the milliseconds until its key is tried again. */
  readonly onFailure?: (key: string, error: unknown, againMs: number) => void;
  /** Told how long a key waited and how long its handler took, in seconds. */
  readonly observe?: (event: { key: string; waitedSeconds: number; workedSeconds: number }) => void;
}

export interface Clock {
  now(): number;
  /** Calls back once after `ms`; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
}

const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * A queue of keys to reconcile. A key is in it at most once, is never handled by two workers at the same time, and a key
 * added while it is being handled is handled once more afterwards. The model is client-go's workqueue.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions & Required<Omit<WorkQueueOptions, 'observe' | 'onFailure'>>;
  /** Ready keys, in order, with the time they became ready. */
  readonly #ready = new Map<string, number>();
  /** Keys being worked on, with the seconds they had waited. */
  readonly #working = new Map<string, number>();
  /** Keys added while being worked on. */
  readonly #dirty = new Set<string>();
  readonly #delayed = new Map<string, { readonly due: number; readonly cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  readonly #idle: (() => void)[] = [];

  constructor(options: WorkQueueOptions = {}) {
    this.#options = {
      ...options,
      baseDelayMs: options.baseDelayMs ?? 100,
      maxDelayMs: options.maxDelayMs ?? 5 * 60_000,
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
    };
  }

  /** Keys waiting for a worker. */
  get depth(): number {
    return this.#ready.size;
  }

  get active(): number {
    return this.#working.size;
  }

  add(key: string): void {
    this.#unschedule(key);
    if (this.#working.has(key)) this.#dirty.add(key);
    else if (!this.#ready.has(key)) {
      this.#ready.set(key, this.#options.clock.now());
      this.#idle.shift()?.();
    }
  }

  /** Adds the key after `ms`, or earlier if it is already due earlier. */
  addAfter(key: string, ms: number): void {
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const due = this.#options.clock.now() + ms;
    const scheduled = this.#delayed.get(key);
    if (scheduled !== undefined && scheduled.due <= due) return;
    scheduled?.cancel();
    this.#delayed.set(key, { due, cancel: this.#options.clock.after(ms, () => this.add(key)) });
  }

  /** Adds the key after a delay that doubles with each failure, jittered by a fifth. Returns that delay in milliseconds. */
  retry(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const { baseDelayMs, maxDelayMs, random } = this.#options;
    const ms = Math.min(maxDelayMs, baseDelayMs * 2 ** failures) * (0.9 + 0.2 * random());
    this.addAfter(key, ms);
    return ms;
  }

  /** Ends the back-off of a key: its next failure waits the first delay again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Takes the next key, waiting for one; undefined when `signal` aborts. The caller owes a `done`. */
  async take(signal: AbortSignal): Promise<string | undefined> {
    while (!signal.aborted) {
      const next = this.#ready.entries().next();
      if (!next.done) {
        const [key, since] = next.value;
        this.#ready.delete(key);
        this.#working.set(key, (this.#options.clock.now() - since) / 1000);
        return key;
      }
      await this.#added(signal);
    }
    return undefined;
  }

  /** Ends the work on a key; it goes back into the queue if it was added meanwhile. */
  done(key: string): void {
    this.#working.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
  }

  /**
   * Handles keys with `workers` at a time until `signal` aborts, then waits for those under way. A handler that throws has its key
   * tried again after a growing delay; one that does not ends that growth, and may name the milliseconds until it wants the key again.
   */
  async run(
    workers: number,
    handler: (key: string, signal: AbortSignal) => Promise<number | undefined>,
    signal: AbortSignal,
  ): Promise<void> {
    const work = async (): Promise<void> => {
      for (;;) {
        const key = await this.take(signal);
        if (key === undefined) return;
        const began = this.#options.clock.now();
        try {
          const again = await handler(key, signal);
          this.forget(key);
          if (again !== undefined) this.addAfter(key, again);
        } catch (error) {
          if (!signal.aborted) {
            const againMs = this.retry(key);
            this.#options.onFailure?.(key, error, againMs);
          }
        } finally {
          const workedSeconds = (this.#options.clock.now() - began) / 1000;
          this.#options.observe?.({ key, waitedSeconds: this.#working.get(key) ?? 0, workedSeconds });
          this.done(key);
        }
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    for (const scheduled of this.#delayed.values()) scheduled.cancel();
    this.#delayed.clear();
  }

  #added(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        const index = this.#idle.indexOf(wake);
        if (index >= 0) this.#idle.splice(index, 1);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.#idle.push(wake);
    });
  }

  #unschedule(key: string): void {
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
  }
}
