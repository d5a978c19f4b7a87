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
  /** Milliseconds between two looks for months that are too old. */
  readonly retentionMs: number;
}

/** What one replica, the leading one, does for the audit: signs heads, and removes what is too old. */
export class Maintenance {
  readonly #options: MaintenanceOptions;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /** Goes on until `signal` aborts; what fails is done the next time. */
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
          if (removed > 0) log.info({ months: removed }, 'old months of the audit removed');
        }
      } catch (err) {
        if (signal.aborted) return;
        metrics.failures.inc();
        log.warn({ err }, 'upkeep of the audit failed');
      }
      await delay(signMs, undefined, { signal }).catch(() => {});
    }
  }
}
