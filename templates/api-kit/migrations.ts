import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type { Database } from './database.ts';

/** In order of their names. A migration that has run anywhere is never changed: schema n must serve code n and n-1. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001_items': {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('items')
        .addColumn('entity', 'text', (column) => column.notNull())
        .addColumn('uid', 'uuid', (column) => column.notNull())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('created_at', 'timestamptz(3)', (column) => column.notNull())
        .addColumn('updated_at', 'timestamptz(3)', (column) => column.notNull())
        .addColumn('deleted_at', 'timestamptz(3)')
        .addColumn('archived_at', 'timestamptz(3)')
        .addColumn('created_by', 'text', (column) => column.notNull())
        .addColumn('updated_by', 'text', (column) => column.notNull())
        .addColumn('payload', 'jsonb', (column) => column.notNull())
        .addColumn('bytes', 'integer', (column) => column.notNull())
        .addPrimaryKeyConstraint('items_pkey', ['entity', 'uid'])
        .execute();
      // Lists leave deleted items out: without this index, a list would read past all of them.
      await db.schema.createIndex('items_live').on('items').columns(['entity', 'uid']).where(sql.ref('deleted_at'), 'is', null).execute();
    },
  },
};

const migrationTableName = 'tenantry_migration';

/** Runs the pending migrations and returns their names. Safe to run from several processes at once. */
export async function migrateToLatest(db: Database): Promise<string[]> {
  if (await isAhead(db)) return [];
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableName,
    migrationLockTableName: `${migrationTableName}_lock`,
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
  return (results ?? []).map((result) => result.migrationName);
}

/** After a rollback the database is newer than this code, which the migrator would take for a corrupted history. */
async function isAhead(db: Database): Promise<boolean> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some((table) => table.name === migrationTableName)) return false;
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(migrationTableName)}`.execute(db);
  const done = new Set(rows.map((row) => row.name));
  const known = Object.keys(migrations);
  return known.every((name) => done.has(name)) && done.size > known.length;
}
