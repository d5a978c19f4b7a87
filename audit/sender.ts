import { setTimeout as delay } from 'node:timers/promises';
import { SendLater } from './delivery.ts';
import type { Spool } from './spool.ts';

export interface SpoolSenderOptions<T extends { readonly id: string }> {
  readonly spool: Spool<T>;
  /** Hands the records over; resolves once the receiver has them for good. Rejects otherwise, and is asked again: with SendLater, not before then. */
  readonly send: (records: readonly T[], signal: AbortSignal) => Promise<void>;
  /** Told of every failure. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds that records wait for more to travel with them. */
  readonly lingerMs?: number;
  /** Longest pause between attempts in milliseconds. */
  readonly maxPauseMs?: number;
}

const firstPauseMs = 500;
/** Longest time for which a receiver can say that nothing shall be sent, in milliseconds. */
const longestWaitMs = 120_000;

/** Sends what is in a spool, in order, and again until it has arrived. */
export class SpoolSender<T extends { readonly id: string }> {
  readonly #options: SpoolSenderOptions<T>;

  constructor(options: SpoolSenderOptions<T>) {
    this.#options = options;
  }

  /** Sends until `signal` aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { spool, lingerMs = 500, maxPauseMs = 30_000 } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await spool.waitForRecords(signal);
        if (failures === 0) await delay(lingerMs, undefined, { signal });
        await this.#sendAll(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.onError(error);
        const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** failures);
        failures += 1;
        const leastMs = error instanceof SendLater ? Math.min(error.afterMs, longestWaitMs) : 0;
        // Many senders that lost the same receiver must not come back at the same moment.
        await delay(Math.max(leastMs, pauseMs / 2) + (Math.random() * pauseMs) / 2, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Sends what there is, once, before the process ends: until the spool is empty, a failure, or `signal`. What is left stays spooled. */
  async drain(signal: AbortSignal): Promise<void> {
    try {
      await this.#sendAll(signal);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  async #sendAll(signal: AbortSignal): Promise<void> {
    const { spool, send } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const batch = await spool.next();
      if (batch === undefined) return;
      await send(batch.records, signal);
      batch.acknowledge();
    }
  }
}
