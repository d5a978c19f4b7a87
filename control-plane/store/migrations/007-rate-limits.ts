import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Its columns have the names and the order that rate-limiter-flexible expects. */
export const rateLimits: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('rate_limits')
      // Counts of a minute need not survive a crash of the server, so they are not written to its log.
      .modifyFront(sql`UNLOGGED`)
      .addColumn('key', 'text', (column) => column.primaryKey())
      .addColumn('points', 'integer', (column) => column.notNull())
      .addColumn('expire', 'bigint', (column) => column.notNull())
      // Room for the next versions of a row on its page, which then change no index.
      .modifyEnd(sql`WITH (fillfactor = 50)`)
      .execute();
  },
};
