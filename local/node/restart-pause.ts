import { backoffMs } from '../../net/backoff.ts';

/** First pause, in milliseconds. The kubelet waits 10 s, but users of local pods wait for them. */
const firstMs = 1_000;
const maxMs = 300_000;
/** A container that ran for this many milliseconds counts as recovered. */
const resetMs = 600_000;

/** Delay before a container is restarted: none after the first failure, then 1 s, doubling up to 5 min. */
export class RestartPause {
  #failures = 0;

  /** Returns the delay. `ranMs` is the time the container ran, in milliseconds. */
  after(ranMs: number): number {
    if (ranMs >= resetMs) this.#failures = 0;
    const pause = this.#failures === 0 ? 0 : backoffMs({ firstMs, maxMs }, this.#failures);
    this.#failures++;
    return pause;
  }
}
