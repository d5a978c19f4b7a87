import { backoffMs } from '../../net/backoff.ts';

/** Failures in a row after which a host counts as down. */
const threshold = 3;
const backoff = { firstMs: 500, maxMs: 5_000 };
/** Longest pause a host may ask for: what is asked of it is wanted by people who wait. */
const askedPauseMs = 10_000;

/** What a request reports back. */
export interface Permit {
  succeeded(): void;
  /** @param waitMs how long the host wants to be left alone, where it says so: then it counts as down at once. */
  failed(waitMs?: number): void;
}

/**
 * Keeps requests from a host that is down: after some failures in a row only one request at a time is let through, after pauses that
 * grow and vary from replica to replica. So callers learn of an outage at once, and a host that comes back meets a trickle.
 */
export class CircuitBreaker {
  readonly #now: () => number;
  readonly #random: () => number;
  #failures = 0;
  #closedUntil = 0;
  #probing = false;

  /** @param now milliseconds, of any origin. */
  constructor({ now, random }: { readonly now: () => number; readonly random: () => number }) {
    this.#now = now;
    this.#random = random;
  }

  /** The permission to send a request, or undefined while the host is known to be down. */
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
        const until = Math.max(pause * (0.5 + this.#random() / 2), Math.min(waitMs, askedPauseMs));
        this.#closedUntil = Math.max(this.#closedUntil, this.#now() + until);
      },
    };
  }
}
