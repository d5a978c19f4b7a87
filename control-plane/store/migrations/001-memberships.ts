import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** The membership mirror: control-plane/memberships/. */
export const memberships: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('memberships')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('organization_id', 'text', (column) => column.notNull())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('roles', sql`text[]`, (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .addColumn('seen_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`clock_timestamp()`))
      .addCheckConstraint('memberships_status', sql`status IN ('active', 'inactive', 'pending', 'deleted')`)
      .execute();
    await db.schema.createIndex('memberships_by_user').on('memberships').columns(['organization_id', 'user_id']).execute();
    await db.schema.createIndex('memberships_of_user').on('memberships').column('user_id').execute();
    await db.schema
      .createTable('member_organizations')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('synced_at', 'timestamptz')
      .addColumn('syncing_until', 'timestamptz')
      .execute();
    await db.schema
      .createTable('removed_identities')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('removed_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`clock_timestamp()`))
      .execute();
    await db.schema
      .createTable('membership_events')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('processed_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`clock_timestamp()`))
      .execute();
    await db.schema.createIndex('membership_events_by_time').on('membership_events').column('processed_at').execute();
    await db.schema
      .createTable('membership_cursors')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('event_id', 'text')
      .addColumn('event_at', 'timestamptz')
      .addColumn('since', 'timestamptz', (column) => column.notNull())
      .addColumn('polled_at', 'timestamptz')
      .execute();
    await db.schema
      .createTable('read_budgets')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('tokens', 'double precision', (column) => column.notNull())
      .addColumn('refilled_at', 'timestamptz', (column) => column.notNull())
      .execute();
  },
};
