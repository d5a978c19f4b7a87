import { TooManyRequests } from './refusal.ts';

/** Maximum number of reads of an environment within the window: WorkOS's published limit. */
const readsInWindow = 1000;
const windowMs = 10_000;

/** Counts the requests of the environment, and refuses reads beyond WorkOS's limit. */
export class RequestLog {
  readonly #counts = new Map<string, number>();
  /** Times of the reads within the window, oldest first, in milliseconds. */
  #reads: number[] = [];

  /** Counts a request. @throws TooManyRequests for a read beyond the limit. A refused read does not count. */
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

  /** Number of requests since the start by route, such as `GET /events`. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
