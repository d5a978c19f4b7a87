import { backoffMs } from '../net/backoff.ts';
export interface WorkQueueOptions {
  /** First delay after a failure, in milliseconds; doubles with each further failure of the same key. */
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** Receives the error of a handler and the milliseconds until the retry. */
  readonly onFailure?: (key: string, error: unknown, retryAfterMs: number) => void;
  /** Receives how long a key waited and how long its handler took, in seconds. */
  readonly observe?: (event: { key: string; waitedSeconds: number; workedSeconds: number }) => void;
}

export interface Clock {
  now(): number;
  /** Calls back once after `ms`. The result cancels the call. */
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
 * A queue of keys to reconcile. A key is queued at most once and handled by one worker at a time. A key added while it is
 * being handled is handled once more afterwards. The model is client-go's workqueue.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions & Required<Omit<WorkQueueOptions, 'observe' | 'onFailure'>>;
  /** Ready keys, in order, with the time they became ready. */
  readonly #ready = new Map<string, number>();
  /** Keys being handled, with the seconds they waited. */
  readonly #working = new Map<string, number>();
  /** Keys added while being handled. */
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

  /** Adds the key after a delay that doubles with each failure, with 10 % jitter. Returns the delay in milliseconds. */
  retry(key: string): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const { baseDelayMs, maxDelayMs, random } = this.#options;
    const ms = backoffMs({ firstMs: baseDelayMs, maxMs: maxDelayMs }, failures) * (0.9 + 0.2 * random());
    this.addAfter(key, ms);
    return ms;
  }

  /** Resets the back-off of a key. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Waits for the next key; undefined when `signal` aborts. The caller must call `done` afterwards. */
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

  /** Ends the handling of a key. A key that was added meanwhile is queued again. */
  done(key: string): void {
    this.#working.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
  }

  /**
   * Handles up to `workers` keys at a time until `signal` aborts, then waits for those under way. When a handler rejects, its key is
   * retried with back-off. When it resolves, the back-off is reset; a number is the delay in milliseconds until the key is handled again.
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
          const requeueAfterMs = await handler(key, signal);
          this.forget(key);
          if (requeueAfterMs !== undefined) this.addAfter(key, requeueAfterMs);
        } catch (error) {
          if (!signal.aborted) {
            this.#options.onFailure?.(key, error, this.retry(key));
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
