import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Adds impersonators to records, and the beginnings of chains to the platform's chain. */
export const auditBegun: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable('audit_records').addColumn('impersonator', 'text').execute();
    // The signed heads themselves show up to where a chain is signed.
    await db.schema.alterTable('audit_heads').dropColumn('signed_sequence').execute();
    await sql`CREATE INDEX audit_records_begun ON audit_records (chain, received) WHERE kind = 'chain'`.execute(db);
    // The beginning of a month of another chain locks this row, so it must exist before.
    await sql`INSERT INTO audit_chains (chain, received) VALUES ('platform', to_timestamp(0)) ON CONFLICT DO NOTHING`.execute(db);
  },
};
