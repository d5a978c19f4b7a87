import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { inject } from 'vitest';
import { type Postgres, startPostgres } from '../../../local/postgres/start.ts';
import { ensureStoreDatabase } from '../../../local/postgres/store-database.ts';

export interface StoreServer {
  /** Of the superuser. `stop` ends a server of one's own; on the run's server it drops what the store's role owns. */
  readonly postgres: Postgres;
  readonly storeUrl: string;
}

/**
 * The control plane's database, for one file of tests.
 * @param dir of the file, with data and password.
 * @param server the run's, or a server of its own in `<dir>/postgres`, for tests that stop it.
 */
export async function startStore(dir: string, server: 'shared' | 'own'): Promise<StoreServer> {
  const passwordFile = join(dir, 'store-password');
  if (server === 'own') {
    const postgres = await startPostgres({ dir: join(dir, 'postgres'), fsync: false, log: pino({ level: 'silent' }) });
    return { postgres, storeUrl: await ensureStoreDatabase(postgres.url, passwordFile) };
  }
  const url = inject('tenantry').postgresUrl;
  const name = `store_${randomBytes(6).toString('hex')}`;
  const storeUrl = await ensureStoreDatabase(url, passwordFile, { database: name, role: name });
  return { postgres: { url, stop: () => dropOwned(url, name) }, storeUrl };
}

async function dropOwned(url: string, role: string): Promise<void> {
  const connection = new pg.Client({ connectionString: url });
  await connection.connect();
  try {
    const owned = 'SELECT datname FROM pg_database WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = $1)';
    const { rows } = await connection.query<{ datname: string }>(owned, [role]);
    for (const { datname } of rows) await connection.query(`DROP DATABASE ${pg.escapeIdentifier(datname)} WITH (FORCE)`);
    await connection.query(`DROP ROLE ${pg.escapeIdentifier(role)}`);
  } finally {
    await connection.end();
  }
}
