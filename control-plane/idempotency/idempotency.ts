import { createHash, randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { canonicalJson } from '../../audit/json.ts';
import { Problem } from '../../problems/problem.ts';
import type { IdempotencyTables, StoredAnswer } from '../store/tables/idempotency.ts';
import { ClaimReleaser } from './claim-releaser.ts';

/** A request that the caller may repeat. */
export interface Repeatable {
  readonly caller: string;
  /** Idempotency-Key, which the caller chooses. */
  readonly key: string;
  readonly body: unknown;
}

/** Seconds after which another attempt takes over, because the process of the first has died. It is longer than the limit of any request. */
const lockSeconds = 60;
const keptHours = 24;

export interface IdempotencyOptions {
  readonly db: Kysely<IdempotencyTables>;
  readonly log: Logger;
  readonly now: () => Date;
  /** Ends background work. */
  readonly signal: AbortSignal;
}

/**
 * Gives the same answer to a repeated request, at every replica. Only successful answers are stored. A refused request has changed nothing,
 * so it can be sent again.
 */
export class Idempotency {
  readonly #db: Kysely<IdempotencyTables>;
  readonly #log: Logger;
  readonly #now: () => Date;
  readonly #releaser: ClaimReleaser;

  constructor({ db, log, now, signal }: IdempotencyOptions) {
    this.#db = db;
    this.#log = log;
    this.#now = now;
    this.#releaser = new ClaimReleaser({ db, log, now: () => now().getTime(), signal });
  }

  /**
   * Returns the stored answer, or else the answer of `work`. `work` must recognise objects of an earlier attempt whose process died.
   * @throws Problem idempotency-key-reused, idempotency-in-progress; errors of `work` and the driver.
   */
  async answer(request: Repeatable, work: () => Promise<StoredAnswer>): Promise<StoredAnswer & { readonly replayed: boolean }> {
    const attempt = randomUUID();
    const stored = await this.#claim(request, attempt).catch((error: unknown) => {
      // The database failed, so the claim may or may not be stored.
      if (!(error instanceof Problem)) this.#releaser.releaseLater(attempt, this.#claimEnds());
      throw error;
    });
    if (stored !== undefined) return { ...stored, replayed: true };
    const claimEnds = this.#claimEnds();
    let answer: StoredAnswer;
    try {
      answer = await work();
    } catch (error) {
      await this.#releaser.release(attempt, claimEnds);
      throw error;
    }
    await this.#keep(attempt, answer, claimEnds);
    return { ...answer, replayed: false };
  }

  /** Time after which a claim that was made just now has certainly expired. */
  #claimEnds(): number {
    return this.#now().getTime() + lockSeconds * 1000;
  }

  /** @returns the stored answer, or undefined when this attempt has the claim. */
  async #claim({ caller, key, body }: Repeatable, attempt: string): Promise<StoredAnswer | undefined> {
    const hash = createHash('sha256').update(canonicalJson(body)).digest('hex');
    const lock = sql<Date>`now() + make_interval(secs => ${lockSeconds})`;
    await this.#db
      .deleteFrom('idempotency_keys')
      .where('created_at', '<', sql<Date>`now() - make_interval(hours => ${keptHours})`)
      .execute();
    await this.#db
      .insertInto('idempotency_keys')
      .values({ caller, key, request_hash: hash, attempt, locked_until: lock, answer: null })
      .onConflict((conflict) =>
        conflict
          .columns(['caller', 'key'])
          .doUpdateSet({ attempt, locked_until: lock })
          .where('idempotency_keys.answer', 'is', null)
          .where('idempotency_keys.request_hash', '=', hash)
          .where('idempotency_keys.locked_until', '<', sql<Date>`now()`),
      )
      .execute();
    const row = await this.#db
      .selectFrom('idempotency_keys')
      .select(['attempt', 'request_hash', 'answer', sql<number>`ceil(extract(epoch FROM locked_until - now()))::int`.as('seconds_left')])
      .where('caller', '=', caller)
      .where('key', '=', key)
      .executeTakeFirst();
    // The other attempt has just failed and released its claim.
    if (row === undefined) throw inProgress(1);
    if (row.attempt === attempt) return undefined;
    if (row.request_hash !== hash) throw new Problem('idempotency-key-reused', 'This idempotency key was sent with another body earlier.');
    if (row.answer === null) throw inProgress(retryAfterSeconds(row.seconds_left));
    return row.answer;
  }

  async #keep(attempt: string, answer: StoredAnswer, claimEnds: number): Promise<void> {
    try {
      await this.#db
        .updateTable('idempotency_keys')
        .set({ answer: JSON.stringify(answer) })
        .where('attempt', '=', attempt)
        .execute();
    } catch (err) {
      // The work is done. A repetition recognises its result.
      this.#log.warn({ err }, 'answer for an idempotency key not stored');
      this.#releaser.releaseLater(attempt, claimEnds);
    }
  }
}

/** Identifies a request on the objects that it creates: a mark, and a UUID (version 8, RFC 9562). */
export function marksOf({ caller, key, body }: Repeatable): { readonly mark: string; readonly externalId: string } {
  const mark = createHash('sha256')
    .update(JSON.stringify([caller, key]))
    .update(canonicalJson(body))
    .digest('hex');
  const hex = createHash('sha256').update(`organization ${mark}`).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  const externalId = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  return { mark: mark.slice(0, 32), externalId };
}

/**
 * The remedy names the wait before the next try. It grows with the age of the attempt and ends with its claim. Most attempts take less than a
 * second, but an attempt whose process died has its claim until the end.
 */
function retryAfterSeconds(secondsLeft: number): number {
  return Math.max(1, Math.min(lockSeconds - secondsLeft, secondsLeft));
}

function inProgress(seconds: number): Problem {
  const time = seconds === 1 ? 'a second' : `${seconds} seconds`;
  return new Problem(
    'idempotency-in-progress',
    'A request with this idempotency key is in progress, or it ended and its answer was not stored.',
    { remedy: `Repeat the request with the same key in ${time}.`, headers: { 'retry-after': String(seconds) } },
  );
}
