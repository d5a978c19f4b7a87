import { type Kysely, type Selectable, sql } from 'kysely';
import type { SignedHead } from '../../audit/statements.ts';
import type { AuditTables } from '../store/tables/audit.ts';
import { type HeadCursor, signedHeadOf } from './chain-reader.ts';

/** The last record of a month of a chain, as the ledger wrote it, and the newest signed head of the month. */
export interface OpenHead extends HeadCursor {
  readonly sequence: number;
  readonly hash: string;
  readonly newest: SignedHead | undefined;
  /** Whether nothing can follow in the month: by the clock, or because the chain has gone on. */
  readonly over: boolean;
}

/**
 * Heads of months that are not closed, in order of chain and month. Heads of this month and the last are among them even where a row says
 * that the month is closed: somebody with access to the database may have written that.
 */
export async function openHeads(db: Kysely<AuditTables>, after: HeadCursor, limit: number): Promise<OpenHead[]> {
  const { rows } = await sql<Selectable<AuditTables['audit_heads']> & { readonly over: boolean }>`
    SELECT heads.*, heads.month < to_char(greatest(clock_timestamp(), chains.received) AT TIME ZONE 'UTC', 'YYYY-MM') AS over
    FROM audit_heads AS heads LEFT JOIN audit_chains AS chains ON chains.chain = heads.chain
    WHERE (heads.final IS NOT TRUE OR heads.month >= ${sql.raw(watchedFrom)}) AND (heads.chain, heads.month) > (${after.chain}, ${after.month})
    ORDER BY heads.chain, heads.month LIMIT ${limit}`.execute(db);
  return rows.map((row) => {
    const { chain, month, sequence, hash, over } = row;
    return { chain, month, sequence: Number(sequence), hash, over, newest: signedHeadOf(row) };
  });
}

/** The last month, as `YYYY-MM`. */
const watchedFrom = `to_char((clock_timestamp() AT TIME ZONE 'UTC') - interval '1 month', 'YYYY-MM')`;

/** The first month whose heads are checked even where a row says that the month is closed. */
export async function firstWatchedMonth(db: Kysely<AuditTables>): Promise<string> {
  const { rows } = await sql<{ month: string }>`SELECT ${sql.raw(watchedFrom)} AS month`.execute(db);
  return rows[0]?.month ?? '';
}
