import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import { backoffMs } from '../../net/backoff.ts';
import type { IdempotencyTables } from '../store/tables/idempotency.ts';

export interface ReleasesOptions {
  readonly db: Kysely<IdempotencyTables>;
  readonly log: Logger;
  /** Milliseconds since some moment. */
  readonly now: () => number;
  /** Ends what is under way: claims that are not released by then run out by themselves. */
  readonly signal: AbortSignal;
}

const backoff = { firstMs: 250, maxMs: 5_000 };
/** Claims of one statement. */
const batch = 500;

/** Gives up claims of attempts that have ended without an answer; those the database does not take at once, in the background. */
export class Releases {
  readonly #options: ReleasesOptions;
  /** When each claim that waits runs out, by attempt. */
  readonly #waiting = new Map<string, number>();
  #retrying = false;

  constructor(options: ReleasesOptions) {
    this.#options = options;
  }

  /** Releases it now, or else later. Never rejects. @param until when the claim runs out, as `now` tells it. */
  async release(attempt: string, until: number): Promise<void> {
    try {
      await this.#delete([attempt]);
    } catch (err) {
      this.#options.log.warn({ err }, 'claim of a repeatable request waits for the database to be released');
      this.releaseLater(attempt, until);
    }
  }

  /** For whoever knows that the database has just failed, and does not wait for it again. */
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
        log.debug({ err, claims: this.#waiting.size }, 'claims of repeatable requests still wait to be released');
      }
    }
    this.#retrying = false;
  }

  /** An attempt that has taken over since is another one, and what has been answered stays. */
  async #delete(attempts: readonly string[]): Promise<void> {
    await this.#options.db.deleteFrom('idempotency_keys').where('attempt', 'in', attempts).where('answer', 'is', null).execute();
  }
}
