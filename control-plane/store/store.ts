import { setTimeout as delay } from 'node:timers/promises';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import type { Logger } from 'pino';
import { backoffMs } from '../../net/backoff.ts';
import { Listener } from './listener.ts';
import { migrations } from './migrations/index.ts';
import type { Tables } from './tables/tables.ts';

export interface StoreOptions {
  /** Connection URL of the control plane's own database. Its role owns the database. */
  readonly url: string;
  readonly log: Logger;
  /** Most connections of this replica. */
  readonly connections: number;
}

/** Time limit of a statement, in milliseconds. A request with a longer statement is answered with 503. */
const statementTimeoutMs = 5_000;

/**
 * The control plane's data in PostgreSQL: memberships, audit and idempotency keys. All other data is in Kubernetes. The control plane starts
 * without the database. Requests that need the database are answered with 503 until it answers.
 */
export class Store {
  readonly db: Kysely<Tables>;
  /** Notifications between replicas. */
  readonly listener: Listener;
  readonly #log: Logger;
  readonly #migration = Promise.withResolvers<void>();
  #migrated = false;

  constructor({ url, log, connections }: StoreOptions) {
    const pool = new pg.Pool({
      connectionString: url,
      max: connections,
      min: 0,
      idleTimeoutMillis: 30_000,
      connectionTimeoutMillis: 4_000,
      statement_timeout: statementTimeoutMs,
      // The server cannot end a statement over a connection that is dead.
      query_timeout: statementTimeoutMs + 1_000,
      keepAlive: true,
      allowExitOnIdle: true,
      application_name: 'tenantry-control-plane',
    });
    // The pool replaces an idle connection that the server has closed. Without this listener the error would end the process.
    pool.on('error', () => {});
    // The same holds for a connection that is closed within a transaction. Its next statement fails.
    pool.on('connect', (connection) => connection.on('error', () => {}));
    this.db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
    this.listener = new Listener(url, log);
    this.#log = log;
  }

  /** Whether the tables exist. */
  get migrated(): boolean {
    return this.#migrated;
  }

  /** Resolves when the tables exist or `signal` aborts. */
  async untilMigrated(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const aborted = Promise.withResolvers<void>();
    const stop = () => aborted.resolve();
    signal.addEventListener('abort', stop, { once: true });
    await Promise.race([this.#migration.promise, aborted.promise]);
    signal.removeEventListener('abort', stop);
  }

  /** Creates the tables, with any number of attempts, then listens until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !this.#migrated && !signal.aborted; failures++) {
      try {
        await this.#migrate();
        this.#migrated = true;
        this.#migration.resolve();
      } catch (err) {
        if (failures % 20 === 0) this.#log.warn({ err }, 'database of the control plane is not ready');
        await delay(backoffMs({ firstMs: 250, maxMs: 5_000 }, failures + 1), undefined, { signal }).catch(() => {});
      }
    }
    if (!signal.aborted) await this.listener.run(signal);
  }

  async close(): Promise<void> {
    await this.db.destroy();
  }

  async #migrate(): Promise<void> {
    const migrator = new Migrator({
      db: this.db,
      provider: { getMigrations: async () => migrations },
      // Migrations of different features may be released in any order.
      allowUnorderedMigrations: true,
    });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    // Other roles of the server, such as those of tenants, must not connect to this database.
    await sql`DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$`.execute(this.db);
  }
}
