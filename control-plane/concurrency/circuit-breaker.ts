import { backoffMs } from '../../net/backoff.ts';

/** Failures in a row after which a host counts as down. */
const threshold = 3;
const backoff = { firstMs: 500, maxMs: 5_000 };
/** Longest accepted pause that a host asks for, in milliseconds. People wait for the answers. */
const maxRequestedPauseMs = 10_000;

/** Permission for one request, which reports its outcome. */
export interface Permit {
  succeeded(): void;
  /** @param waitMs pause that the host asks for. The host then counts as down at once. */
  failed(waitMs?: number): void;
}

/**
 * Stops requests to a host that is down. After some failures in a row, it admits one request at a time, with growing pauses between them.
 * The pauses have jitter, so that replicas do not probe at the same time. Callers learn of an outage at once.
 */
export class CircuitBreaker {
  readonly #now: () => number;
  readonly #random: () => number;
  #failures = 0;
  #closedUntil = 0;
  #probing = false;

  /** @param now milliseconds of a monotonic clock. */
  constructor({ now, random }: { readonly now: () => number; readonly random: () => number }) {
    this.#now = now;
    this.#random = random;
  }

  /** The permission to send a request; undefined while the host counts as down. */
  enter(): Permit | undefined {
    if (this.#failures < threshold) return this.#permit(false);
    if (this.#probing || this.#now() < this.#closedUntil) return undefined;
    this.#probing = true;
    return this.#permit(true);
  }

  #permit(probe: boolean): Permit {
    return {
      succeeded: () => {
        if (probe) this.#probing = false;
        this.#failures = 0;
      },
      failed: (waitMs = 0) => {
        if (probe) this.#probing = false;
        this.#failures = waitMs > 0 ? Math.max(this.#failures + 1, threshold) : this.#failures + 1;
        if (this.#failures < threshold) return;
        const pause = backoffMs(backoff, this.#failures - threshold + 1);
        const until = Math.max(pause * (0.5 + this.#random() / 2), Math.min(waitMs, maxRequestedPauseMs));
        this.#closedUntil = Math.max(this.#closedUntil, this.#now() + until);
      },
    };
  }
}
