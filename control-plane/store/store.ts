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
  /** Connection URL of a database of the control plane's own, whose role owns it. */
  readonly url: string;
  readonly log: Logger;
  /** Most connections of this replica. */
  readonly connections: number;
}

/** Longest a statement may take, in milliseconds: what takes longer is given up, and the request is answered 503. */
const statementTimeoutMs = 5_000;

/**
 * What the control plane keeps in PostgreSQL: memberships, audit, idempotency keys. Kubernetes holds all else. Nothing here is needed to
 * start: until the database answers, requests that need it are answered 503.
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
    // An idle connection that the server ends is replaced at the next query; without a listener it would end the process.
    pool.on('error', () => {});
    // So is one that is ended between two statements of a transaction: the next statement fails, and that is enough.
    pool.on('connect', (connection) => connection.on('error', () => {}));
    this.db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
    this.listener = new Listener(url, log);
    this.#log = log;
  }

  /** Whether the tables are there. */
  get migrated(): boolean {
    return this.#migrated;
  }

  /** Resolves when the tables are there, or when `signal` aborts. */
  async untilMigrated(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const aborted = Promise.withResolvers<void>();
    const stop = () => aborted.resolve();
    signal.addEventListener('abort', stop, { once: true });
    await Promise.race([this.#migration.promise, aborted.promise]);
    signal.removeEventListener('abort', stop);
  }

  /** Makes the tables, as often as it takes, then listens until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !this.#migrated && !signal.aborted; failures++) {
      try {
        await this.#migrate();
        this.#migrated = true;
        this.#migration.resolve();
      } catch (err) {
        if (failures % 20 === 0) this.#log.warn({ err }, 'database of the control plane not ready');
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
      // Parts of the control plane add theirs independently of each other.
      allowUnorderedMigrations: true,
    });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    // Whoever logs in to the server for another database, such as a tenant, has no business here.
    await sql`DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$`.execute(this.db);
  }
}
