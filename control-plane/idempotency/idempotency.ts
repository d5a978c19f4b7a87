import { createHash, randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { canonicalJson } from '../../audit/json.ts';
import { Problem } from '../http/problem.ts';
import type { IdempotencyTables, StoredAnswer } from './tables.ts';

/** A request that may come more than once. */
export interface Repeatable {
  readonly caller: string;
  /** Idempotency-Key, of the caller's choosing. */
  readonly key: string;
  readonly body: unknown;
}

/** Seconds an attempt may take before another one takes over, because its process has died. Longer than any request lives. */
const lockSeconds = 60;
const keptHours = 24;

/**
 * Gives the same answer to the same request, however often and to whichever replica it is sent. Only success is kept: a refusal has
 * changed nothing, so the request may be tried again.
 */
export class Idempotency {
  readonly #db: Kysely<IdempotencyTables>;
  readonly #log: Logger;

  constructor(db: Kysely<IdempotencyTables>, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /**
   * The stored answer, or that of `work`, which must recognise what an earlier attempt has made before its process died.
   * @throws Problem idempotency-key-reused, idempotency-in-progress; what `work` and the driver throw.
   */
  async answer(request: Repeatable, work: () => Promise<StoredAnswer>): Promise<StoredAnswer & { readonly replayed: boolean }> {
    const attempt = randomUUID();
    const stored = await this.#claim(request, attempt);
    if (stored !== undefined) return { ...stored, replayed: true };
    let answer: StoredAnswer;
    try {
      answer = await work();
    } catch (error) {
      await this.#release(attempt);
      throw error;
    }
    await this.#keep(attempt, answer);
    return { ...answer, replayed: false };
  }

  /** @returns the stored answer, or undefined where this attempt is to make one. */
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
      .select(['attempt', 'request_hash', 'answer'])
      .where('caller', '=', caller)
      .where('key', '=', key)
      .executeTakeFirst();
    // The attempt that held it has failed in this very moment.
    if (row === undefined) throw inProgress();
    if (row.attempt === attempt) return undefined;
    if (row.request_hash !== hash)
      throw new Problem('idempotency-key-reused', 'This Idempotency-Key came with another body before. Use a new one for a new request.');
    if (row.answer === null) throw inProgress();
    return row.answer;
  }

  async #keep(attempt: string, answer: StoredAnswer): Promise<void> {
    try {
      await this.#db
        .updateTable('idempotency_keys')
        .set({ answer: JSON.stringify(answer) })
        .where('attempt', '=', attempt)
        .execute();
    } catch (err) {
      // What was asked for is done. A repetition finds it done, once the lock has run out.
      this.#log.warn({ err }, 'answer of a repeatable request is not kept');
    }
  }

  async #release(attempt: string): Promise<void> {
    try {
      await this.#db.deleteFrom('idempotency_keys').where('attempt', '=', attempt).where('answer', 'is', null).execute();
    } catch (err) {
      this.#log.warn({ err }, 'a repeatable request stays locked for a minute');
    }
  }
}

/** What tells a request from all others, for objects that it makes: a mark on them, and a UUID (version 8, RFC 9562). */
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

function inProgress(): Problem {
  return new Problem('idempotency-in-progress', 'The first request with this Idempotency-Key is not answered yet. Repeat it in a moment.');
}
