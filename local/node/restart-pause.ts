import { backoffMs } from '../../net/backoff.ts';

/** Local pods are started by people who wait for them, so the first pause is one second where the kubelet takes ten. */
const firstMs = 1_000;
const maxMs = 300_000;
/** A container that ran this long has recovered. */
const resetMs = 600_000;

/** How long to wait before a container is started again: nothing after the first failure, then 1 s, doubling up to 5 min. */
export class RestartPause {
  #failures = 0;

  /** `ranMs`: how long the container ran before it ended. */
  after(ranMs: number): number {
    if (ranMs >= resetMs) this.#failures = 0;
    const pause = this.#failures === 0 ? 0 : backoffMs({ firstMs, maxMs }, this.#failures);
    this.#failures++;
    return pause;
  }
}
