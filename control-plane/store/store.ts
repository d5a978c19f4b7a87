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
  /** Most connections of this replica, beside two for counters and one for notifications. */
  readonly connections: number;
}

/** Time limit of a statement, in milliseconds. A request with a longer statement is answered with 503. */
const statementTimeoutMs = 5_000;
/** Time limit of a statement of the counters, and of the wait for its connection, in milliseconds. Every request waits for them. */
const counterTimeoutMs = 1_000;
/** Milliseconds between two removals of expired counts. A count expires after a minute. */
const removalMs = 60_000;

/**
 * The control plane's data in PostgreSQL: memberships, audit, idempotency keys and rate limits. All other data is in Kubernetes. The control
 * plane starts without the database. Requests that need the database are answered with 503 until it answers.
 */
export class Store {
  readonly db: Kysely<Tables>;
  /** Connections for the counters of requests, which must not wait behind other statements. */
  readonly counters: pg.Pool;
  /** Notifications between replicas. */
  readonly listener: Listener;
  readonly #log: Logger;
  readonly #migration = Promise.withResolvers<void>();
  #migrated = false;
  #closed: Promise<unknown> | undefined;

  constructor({ url, log, connections }: StoreOptions) {
    const pool = createPool(url, { max: connections, connectMs: 4_000, statementMs: statementTimeoutMs });
    this.counters = createPool(url, { max: 2, connectMs: counterTimeoutMs, statementMs: counterTimeoutMs });
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

  /** Creates the tables, with any number of attempts, then listens and removes expired counts until `signal` aborts. */
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
    if (!signal.aborted) await Promise.all([this.listener.run(signal), this.#removeCounts(signal)]);
  }

  /** Removes counts that have expired. @throws errors of the driver. */
  async removeExpiredCounts(): Promise<void> {
    await this.counters.query('DELETE FROM rate_limits WHERE expire < $1', [Date.now()]);
  }

  async #removeCounts(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(removalMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      await this.removeExpiredCounts().catch((err: unknown) => this.#log.debug({ err }, 'expired counts not removed'));
    }
  }

  /** Closes all connections. May be called more than once. */
  async close(): Promise<void> {
    this.#closed ??= Promise.all([this.counters.end(), this.db.destroy()]);
    await this.#closed;
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

interface PoolLimits {
  /** Most connections. */
  readonly max: number;
  /** Longest wait for a connection, in milliseconds. */
  readonly connectMs: number;
  /** Time limit of a statement, in milliseconds. */
  readonly statementMs: number;
}

function createPool(url: string, { max, connectMs, statementMs }: PoolLimits): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    min: 0,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: connectMs,
    statement_timeout: statementMs,
    // The server cannot end a statement over a connection that is dead.
    query_timeout: statementMs + 1_000,
    keepAlive: true,
    allowExitOnIdle: true,
    application_name: 'tenantry-control-plane',
  });
  // The pool replaces an idle connection that the server has closed. Without this listener the error would end the process.
  pool.on('error', () => {});
  // The same holds for a connection that is closed within a transaction. Its next statement fails.
  pool.on('connect', (connection) => connection.on('error', () => {}));
  return pool;
}
