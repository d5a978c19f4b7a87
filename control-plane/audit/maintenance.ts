import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { HeadSigner } from './head-signer.ts';
import type { AuditMetrics } from './metrics.ts';
import type { Retention } from './retention.ts';

export interface MaintenanceOptions {
  readonly signer: HeadSigner;
  readonly retention: Retention;
  readonly metrics: AuditMetrics;
  readonly log: Logger;
  /** Milliseconds between two signings. */
  readonly signMs: number;
  /** Milliseconds between two runs of retention. */
  readonly retentionMs: number;
}

/** The audit's work of the leading replica: signs heads and removes old months. */
export class Maintenance {
  readonly #options: MaintenanceOptions;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /** Runs until `signal` aborts. A failed step is retried in the next round. */
  async run(signal: AbortSignal): Promise<void> {
    const { signer, retention, metrics, log, signMs, retentionMs } = this.#options;
    for (let sinceRetention = retentionMs; !signal.aborted; sinceRetention += signMs) {
      try {
        const { signed, contradictions } = await signer.sign(signal);
        metrics.signedHeads.inc(signed);
        metrics.contradictions.set(contradictions);
        if (sinceRetention >= retentionMs) {
          sinceRetention = 0;
          const removed = await retention.apply();
          if (removed > 0) log.info({ months: removed }, 'old audit months removed');
        }
      } catch (err) {
        if (signal.aborted) return;
        metrics.failures.inc();
        log.warn({ err }, 'audit maintenance failed');
      }
      await delay(signMs, undefined, { signal }).catch(() => {});
    }
  }
}
