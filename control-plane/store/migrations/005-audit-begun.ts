import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Who was signed in as somebody else; chains that the platform's chain tells the beginning of. */
export const auditBegun: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable('audit_records').addColumn('impersonator', 'text').execute();
    // What is signed is asked of the signed heads themselves.
    await db.schema.alterTable('audit_heads').dropColumn('signed_sequence').execute();
    await sql`CREATE INDEX audit_records_begun ON audit_records (chain, received) WHERE kind = 'chain'`.execute(db);
    // Whoever begins a month of another chain locks it after that: it must not be made by two at once.
    await sql`INSERT INTO audit_chains (chain, received) VALUES ('platform', to_timestamp(0)) ON CONFLICT DO NOTHING`.execute(db);
  },
};
