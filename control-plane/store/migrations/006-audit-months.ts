import { type Kysely, type QueryResult, type RawBuilder, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Rows that a statement moves: it must end well before the time-out of a statement. */
const rowsAPage = 500;

/** One row for each month of a chain: its last record, the newest signed head, and the signed removal. Three tables held them before. */
export const auditMonths: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`ALTER TABLE audit_heads
      ADD COLUMN signed_sequence bigint, ADD COLUMN signed_hash text, ADD COLUMN final boolean, ADD COLUMN signed_at timestamptz,
      ADD COLUMN key_id text, ADD COLUMN signature text,
      ADD COLUMN removed_at timestamptz, ADD COLUMN removal_key_id text, ADD COLUMN removal_signature text,
      ADD COLUMN removed boolean NOT NULL DEFAULT false`.execute(db);
    // The newest head of a month vouches for all records before it. A month without a row gets one, so that its head is not lost.
    await inPages(
      (after) => sql<Place>`
        WITH moved AS (INSERT INTO audit_heads (chain, month, sequence, hash, signed_sequence, signed_hash, final, signed_at, key_id, signature)
        SELECT DISTINCT ON (chain, month) chain, month, sequence, hash, sequence, hash, final, signed_at, key_id, signature
        FROM audit_signed_heads WHERE (chain, month) > (${after.chain}, ${after.month})
        ORDER BY chain, month, sequence DESC, final DESC LIMIT ${rowsAPage}
        ON CONFLICT (chain, month) DO UPDATE SET signed_sequence = excluded.signed_sequence, signed_hash = excluded.signed_hash,
          final = excluded.final, signed_at = excluded.signed_at, key_id = excluded.key_id, signature = excluded.signature
        RETURNING chain, month)
        SELECT chain, month FROM moved ORDER BY chain DESC, month DESC LIMIT 1`,
      db,
    );
    await inPages(
      (after) => sql<Place>`
        WITH moved AS (INSERT INTO audit_heads (chain, month, sequence, hash, removed_at, removal_key_id, removal_signature, removed)
        SELECT chain, month, sequence, hash, removed_at, key_id, signature, done
        FROM audit_removals WHERE (chain, month) > (${after.chain}, ${after.month}) ORDER BY chain, month LIMIT ${rowsAPage}
        ON CONFLICT (chain, month) DO UPDATE SET removed_at = excluded.removed_at, removal_key_id = excluded.removal_key_id,
          removal_signature = excluded.removal_signature, removed = excluded.removed
        RETURNING chain, month)
        SELECT chain, month FROM moved ORDER BY chain DESC, month DESC LIMIT 1`,
      db,
    );
    // A closed month whose head is gone stays one: verification reports it.
    await sql`UPDATE audit_heads SET final = true WHERE closed AND signature IS NULL`.execute(db);
    // The index goes with the column.
    await db.schema.alterTable('audit_heads').dropColumn('closed').execute();
    await sql`CREATE INDEX audit_heads_open ON audit_heads (chain, month) WHERE final IS NOT TRUE`.execute(db);
    await db.schema.dropTable('audit_signed_heads').execute();
    await db.schema.dropTable('audit_removals').execute();
  },
};

interface Place {
  readonly chain: string;
  readonly month: string;
}

/** Runs the statement until it moves nothing more. It returns the last row that it moved. */
async function inPages(page: (after: Place) => RawBuilder<Place>, db: Kysely<unknown>): Promise<void> {
  for (let after: Place | undefined = { chain: '', month: '' }; after !== undefined; ) {
    const moved: QueryResult<Place> = await page(after).execute(db);
    after = moved.rows[0];
  }
}
