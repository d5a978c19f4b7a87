import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const audit: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('audit_chains')
      .addColumn('chain', 'text', (column) => column.primaryKey())
      .addColumn('tenant_name', 'text')
      .addColumn('organization_id', 'text')
      .addColumn('received', 'timestamptz', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('audit_chains_tenant').on('audit_chains').column('tenant_name').execute();
    await db.schema.createIndex('audit_chains_organization').on('audit_chains').column('organization_id').execute();
    await db.schema
      .createTable('audit_heads')
      .addColumn('chain', 'text', (column) => column.notNull())
      .addColumn('month', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull())
      .addColumn('signed_sequence', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('closed', 'boolean', (column) => column.notNull().defaultTo(false))
      .addPrimaryKeyConstraint('audit_heads_key', ['chain', 'month'])
      .execute();
    // The leading replica looks through these every minute.
    await sql`CREATE INDEX audit_heads_open ON audit_heads (chain, month) WHERE NOT closed`.execute(db);
    await db.schema
      .createTable('audit_records')
      .addColumn('position', 'bigint', (column) => column.notNull().generatedAlwaysAsIdentity())
      .addColumn('chain', 'text', (column) => column.notNull())
      .addColumn('month', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('previous', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull())
      .addColumn('id', 'uuid', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('time', 'timestamptz', (column) => column.notNull())
      .addColumn('received', 'timestamptz', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addColumn('organization_id', 'text')
      .addColumn('action', 'text', (column) => column.notNull())
      .addColumn('outcome', 'text', (column) => column.notNull())
      .addColumn('tenant_name', 'text')
      .addColumn('tenant_uid', 'text')
      .addColumn('request_id', 'text')
      // Not jsonb, which refuses the character NUL: arguments of tools are what they are.
      .addColumn('details', 'json', (column) => column.notNull())
      .addPrimaryKeyConstraint('audit_records_key', ['chain', 'month', 'sequence'])
      .addUniqueConstraint('audit_records_id', ['chain', 'id'])
      .execute();
    await db.schema.createIndex('audit_records_received').on('audit_records').columns(['received', 'position']).execute();
    await db.schema.createIndex('audit_records_chain').on('audit_records').columns(['chain', 'received', 'position']).execute();
    await db.schema.createIndex('audit_records_actor').on('audit_records').columns(['actor', 'received', 'position']).execute();
    await sql`CREATE INDEX audit_records_deeds ON audit_records (received, position) WHERE kind <> 'tool-call'`.execute(db);
    await db.schema
      .createTable('audit_signed_heads')
      .addColumn('chain', 'text', (column) => column.notNull())
      .addColumn('month', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull())
      .addColumn('final', 'boolean', (column) => column.notNull())
      .addColumn('signed_at', 'timestamptz', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('signature', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('audit_signed_heads_key', ['chain', 'month', 'sequence', 'final'])
      .execute();
    await db.schema
      .createTable('audit_removals')
      .addColumn('chain', 'text', (column) => column.notNull())
      .addColumn('month', 'text', (column) => column.notNull())
      .addColumn('sequence', 'bigint', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull())
      .addColumn('removed_at', 'timestamptz', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('signature', 'text', (column) => column.notNull())
      .addColumn('done', 'boolean', (column) => column.notNull().defaultTo(false))
      .addPrimaryKeyConstraint('audit_removals_key', ['chain', 'month'])
      .execute();
  },
};
