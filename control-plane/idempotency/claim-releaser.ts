import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import { backoffMs } from '../../net/backoff.ts';
import type { IdempotencyTables } from '../store/tables/idempotency.ts';

export interface ClaimReleaserOptions {
  readonly db: Kysely<IdempotencyTables>;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Ends background work. Claims that are not released by then expire. */
  readonly signal: AbortSignal;
}

const backoff = { firstMs: 250, maxMs: 5_000 };
/** Most claims in one statement. */
const batch = 500;

/** Releases the claims of attempts that ended without an answer. It tries again in the background while the database is away. */
export class ClaimReleaser {
  readonly #options: ClaimReleaserOptions;
  /** Expiry of each waiting claim, by attempt. */
  readonly #waiting = new Map<string, number>();
  #retrying = false;

  constructor(options: ClaimReleaserOptions) {
    this.#options = options;
  }

  /** Releases the claim now, or else later. Never rejects. @param until expiry of the claim, on the clock `now`. */
  async release(attempt: string, until: number): Promise<void> {
    try {
      await this.#delete([attempt]);
    } catch (err) {
      this.#options.log.warn({ err }, 'idempotency key not released, trying again later');
      this.releaseLater(attempt, until);
    }
  }

  /** Releases the claim in the background, for callers that must not wait for a failing database. */
  releaseLater(attempt: string, until: number): void {
    this.#waiting.set(attempt, until);
    if (!this.#retrying) void this.#retry();
  }

  async #retry(): Promise<void> {
    const { log, now, signal } = this.#options;
    this.#retrying = true;
    for (let failures = 0; this.#waiting.size > 0; ) {
      await delay(backoffMs(backoff, failures + 1), undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      for (const [attempt, until] of this.#waiting) if (until <= now()) this.#waiting.delete(attempt);
      const attempts = [...this.#waiting.keys()].slice(0, batch);
      if (attempts.length === 0) continue;
      try {
        await this.#delete(attempts);
        for (const attempt of attempts) this.#waiting.delete(attempt);
        failures = 0;
      } catch (err) {
        failures += 1;
        log.debug({ err, claims: this.#waiting.size }, 'idempotency keys not released yet');
      }
    }
    this.#retrying = false;
  }

  /** Keeps stored answers, and claims of other attempts. */
  async #delete(attempts: readonly string[]): Promise<void> {
    await this.#options.db.deleteFrom('idempotency_keys').where('attempt', 'in', attempts).where('answer', 'is', null).execute();
  }
}
