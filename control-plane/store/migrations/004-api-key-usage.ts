import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const apiKeyUsage: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('api_key_usage')
      .addColumn('tenant_uid', 'text', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('last_used_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('api_key_usage_key', ['tenant_uid', 'key_id'])
      .execute();
  },
};
