import { type Kysely, sql } from 'kysely';
import { newRecordId } from '../../audit/record.ts';
import type { SigningKey } from '../../audit/signing-keys.ts';
import { signRemoval } from '../../audit/statements.ts';
import type { AuditTables } from '../store/tables/audit.ts';
import { appendIn, databaseTime } from './ledger.ts';

export interface RetentionOptions {
  readonly db: Kysely<AuditTables>;
  readonly key: SigningKey;
  readonly days: number;
  /** Throws once this replica no longer leads. */
  readonly assertLeading: () => void;
  /** Records that one statement removes. */
  readonly batch: number;
}

interface ClosedMonth {
  readonly chain: string;
  readonly month: string;
  readonly sequence: number;
  readonly hash: string;
}

/**
 * Removes the records of months that are older than the retention period. Before the first record is deleted, a signed statement and a
 * record in the platform's chain name the month and its last record. The month's signed head stays. An interrupted removal is resumed.
 */
export class Retention {
  readonly #options: RetentionOptions;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** @returns the number of months that it removed. @throws errors of the driver. */
  async apply(): Promise<number> {
    const { db, assertLeading } = this.#options;
    const now = await databaseTime(db);
    for (const month of await this.#expired(now)) {
      assertLeading();
      await this.#announce(month, new Date(now));
    }
    const announced = await db
      .selectFrom('audit_heads')
      .select(['chain', 'month'])
      .where('removed_at', 'is not', null)
      .where('removed', '=', false)
      .execute();
    for (const { chain, month } of announced) await this.#remove(chain, month);
    return announced.length;
  }

  async #expired(now: number): Promise<ClosedMonth[]> {
    // Months before this one have ended.
    const ended = new Date(now - this.#options.days * 86_400_000).toISOString().slice(0, 7);
    const rows = await this.#options.db
      .selectFrom('audit_heads')
      .select(['chain', 'month', 'sequence', 'hash'])
      .where('final', '=', true)
      .where('month', '<', ended)
      .where('removed_at', 'is', null)
      .orderBy('month')
      .execute();
    return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
  }

  async #announce(closed: ClosedMonth, now: Date): Promise<void> {
    const { db, key } = this.#options;
    const { removedAt, keyId, signature } = signRemoval(key, { ...closed, removedAt: now.toISOString() });
    await db.transaction().execute(async (transaction) => {
      await transaction
        .updateTable('audit_heads')
        .set({ removed_at: new Date(removedAt), removal_key_id: keyId, removal_signature: signature })
        .where('chain', '=', closed.chain)
        .where('month', '=', closed.month)
        .where('removed_at', 'is', null)
        .execute();
      await appendIn(transaction, [
        {
          id: newRecordId(now.getTime()),
          kind: 'retention',
          time: removedAt,
          actor: 'control-plane',
          action: 'audit.remove',
          outcome: 'ok',
          details: { ...closed, days: this.#options.days },
        },
      ]);
    });
  }

  async #remove(chain: string, month: string): Promise<void> {
    const { db, batch, assertLeading } = this.#options;
    for (;;) {
      assertLeading();
      const { numDeletedRows } = await db
        .deleteFrom('audit_records')
        .where('chain', '=', chain)
        .where('month', '=', month)
        .where('sequence', '<=', this.#upTo(chain, month, batch))
        .executeTakeFirstOrThrow();
      if (numDeletedRows < BigInt(batch)) break;
    }
    await db.updateTable('audit_heads').set({ removed: true }).where('chain', '=', chain).where('month', '=', month).execute();
  }

  /** The sequence of the last record of the next batch. */
  #upTo(chain: string, month: string, batch: number) {
    return sql<string>`(SELECT coalesce(max(sequence), 0) FROM (SELECT sequence FROM audit_records
      WHERE chain = ${chain} AND month = ${month} ORDER BY sequence LIMIT ${batch}) AS oldest)`;
  }
}
