import { type ColumnType, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Logger } from 'pino';
import { ConfigurationError, type Environment, required } from '../runtime/environment.ts';
import type { Payload } from './payload.ts';

/** All items of all entities. One table: entities differ in their payload alone, and a new entity needs no migration. */
export interface ItemTable {
  readonly entity: string;
  readonly uid: string;
  readonly version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly deleted_at: Date | null;
  readonly archived_at: Date | null;
  readonly created_by: string;
  readonly updated_by: string;
  /** jsonb; written as JSON text. */
  readonly payload: ColumnType<Payload, string, string>;
  /** Length of the payload's JSON text, by which a page is kept within bounds. */
  readonly bytes: number;
}

export interface Schema {
  readonly items: ItemTable;
}

export type Database = Kysely<Schema>;

/** The database of DATABASE_URL. Connections are opened on demand and closed when idle, since a server holds hundreds of tenants. */
export function openDatabase(environment: Environment, program: string, logger: Logger): Database {
  const connectionString = required(environment, 'DATABASE_URL');
  // The URL parser of `pg` puts the whole URL, password included, into its error.
  if (!URL.canParse(connectionString) || !/^postgres(ql)?:/.test(connectionString)) {
    throw new ConfigurationError('DATABASE_URL must be a URL such as postgres://user:password@host:5432/database');
  }
  const pool = new pg.Pool({
    connectionString,
    application_name: `tenantry-${program}`,
    min: 0,
    max: 5,
    idleTimeoutMillis: 10_000,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
  });
  // Without a listener, an idle connection cut by the server ends the process.
  pool.on('error', (error) => logger.warn({ err: error }, 'idle database connection lost'));
  // So does one that is in use, between two statements of a transaction: the next statement fails, and that is enough.
  pool.on('connect', (connection) => connection.on('error', () => {}));
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
}

/** Where the database is, for messages: without user, password and options. */
export function databaseLocation(environment: Environment): string {
  const { hostname, port, pathname } = new URL(required(environment, 'DATABASE_URL'));
  return `${hostname}:${port || 5432}${pathname}`;
}

// SQLSTATE: 08 connection, 28 authorization, 3D000 no such database, 53 resources, 57 intervention (shutdown, time-out).
const unavailableState = /^(08...|28...|3D000|53...|57...)$/;
const unavailableSystem = /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE)$/;
// pg gives these no code.
const unavailableMessage = /^(timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error)/;

/** Whether an error means that the database cannot serve now, as opposed to a fault of the query. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isUnavailable);
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return unavailableState.test(code) || unavailableSystem.test(code) || unavailableMessage.test(error.message);
}
