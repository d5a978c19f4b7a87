import { type Kysely, sql } from 'kysely';
import type { SignedHead } from '../../audit/statements.ts';
import { type HeadPlace, signedHeadOf } from './archive.ts';
import type { AuditTables } from './tables.ts';

/** Where a month of a chain ends, as the ledger says, and the newest head that was signed of it. */
export interface OpenHead {
  readonly chain: string;
  readonly month: string;
  readonly sequence: number;
  readonly hash: string;
  readonly newest: SignedHead | undefined;
  /** Whether nothing can follow: by the clock, or because the chain has gone on. */
  readonly over: boolean;
}

/**
 * Heads of months that are not closed, and of this month and the last whatever is said of them, in order of chain and month. That a month
 * is closed, or how far it is signed, is not believed of a row that anybody may have written.
 */
export async function openHeads(db: Kysely<AuditTables>, after: HeadPlace, limit: number): Promise<OpenHead[]> {
  const { rows } = await sql<OpenRow>`
    SELECT heads.chain, heads.month, heads.sequence, heads.hash,
      heads.month < to_char(greatest(clock_timestamp(), chains.received) AT TIME ZONE 'UTC', 'YYYY-MM') AS over,
      signed.sequence AS signed_sequence, signed.hash AS signed_hash, signed.final, signed.signed_at, signed.key_id, signed.signature
    FROM audit_heads AS heads
      LEFT JOIN audit_chains AS chains ON chains.chain = heads.chain
      LEFT JOIN LATERAL (
        SELECT * FROM audit_signed_heads AS newest WHERE newest.chain = heads.chain AND newest.month = heads.month
        ORDER BY newest.sequence DESC, newest.final DESC LIMIT 1) AS signed ON true
    WHERE (NOT heads.closed OR heads.month >= ${sql.raw(watchedFrom)}) AND (heads.chain, heads.month) > (${after.chain}, ${after.month})
    ORDER BY heads.chain, heads.month LIMIT ${limit}`.execute(db);
  return rows.map(({ chain, month, sequence, hash, over, signed_sequence, signed_hash, ...signed }) => ({
    ...{ chain, month, sequence: Number(sequence), hash, over },
    newest: signed_sequence === null ? undefined : signedHeadOf({ ...signed, chain, month, sequence: signed_sequence, hash: signed_hash }),
  }));
}

/** The last month, as `YYYY-MM`. */
const watchedFrom = `to_char((clock_timestamp() AT TIME ZONE 'UTC') - interval '1 month', 'YYYY-MM')`;

/** First of the months whose heads are looked at whatever is said of them. */
export async function firstWatchedMonth(db: Kysely<AuditTables>): Promise<string> {
  const { rows } = await sql<{ month: string }>`SELECT ${sql.raw(watchedFrom)} AS month`.execute(db);
  return rows[0]?.month ?? '';
}

interface OpenRow {
  readonly chain: string;
  readonly month: string;
  readonly sequence: string;
  readonly hash: string;
  readonly over: boolean;
  readonly signed_sequence: string | null;
  readonly signed_hash: string;
  readonly final: boolean;
  readonly signed_at: Date;
  readonly key_id: string;
  readonly signature: string;
}
