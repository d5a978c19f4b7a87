import { TooManyRequests } from './refusal.ts';

/** Reads an environment may send within the window; WorkOS's published limit. */
const readsInWindow = 1000;
const windowMs = 10_000;

/** Counts the requests of the environment and refuses more reads than WorkOS would answer. */
export class RequestLog {
  readonly #counts = new Map<string, number>();
  /** Times of the reads within the window, oldest first, in milliseconds. */
  #reads: number[] = [];

  /** @throws TooManyRequests for a read beyond the limit, which does not count against it. */
  admit(method: string, route: string, now = Date.now()): void {
    const name = `${method} ${route}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (method !== 'GET') return;
    const first = this.#reads.findIndex((time) => time > now - windowMs);
    this.#reads = first === -1 ? [] : this.#reads.slice(first);
    if (this.#reads.length >= readsInWindow) {
      throw new TooManyRequests(Math.max(1, Math.ceil(((this.#reads[0] ?? now) + windowMs - now) / 1000)));
    }
    this.#reads.push(now);
  }

  /** How often each route was asked since the start, such as `GET /events`. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
