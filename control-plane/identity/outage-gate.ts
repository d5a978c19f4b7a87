/** Failures in a row after which a host counts as down. */
const threshold = 3;
const firstPauseMs = 500;
const lastPauseMs = 5_000;

/** What a request reports back. */
export interface Permit {
  succeeded(): void;
  failed(): void;
}

/**
 * Keeps requests from a host that is down: after some failures in a row only one request at a time is let through, after pauses that
 * grow and vary from replica to replica. So callers learn of an outage at once, and a host that comes back meets a trickle.
 */
export class OutageGate {
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
      failed: () => {
        if (probe) this.#probing = false;
        this.#failures++;
        if (this.#failures < threshold) return;
        const pause = Math.min(firstPauseMs * 2 ** Math.min(this.#failures - threshold, 10), lastPauseMs);
        this.#closedUntil = this.#now() + pause * (0.5 + this.#random() / 2);
      },
    };
  }
}
