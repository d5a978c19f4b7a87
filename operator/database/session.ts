import { Socket } from 'node:net';
import pg from 'pg';

/**
 * Settings of every session of the operator. The owner of a database may choose settings for all sessions in it, and a tenant owns its
 * database: those that could hold up or mislead the operator are fixed here. Settings of a session win over settings of a database.
 */
const fixedSettings: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'off',
  local_preload_libraries: '',
  lock_timeout: '5s',
  role: 'none',
  search_path: 'pg_catalog',
  statement_timeout: '20s',
};

/** Longest time to reach the server, in milliseconds. */
const connectMs = 5_000;

/** The URL with the settings of the operator's sessions, before which come `others`. */
export function withSettings(url: URL, others: Readonly<Record<string, string>> = {}): string {
  const whole = new URL(url);
  const settings = Object.entries({ ...others, ...fixedSettings }).map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`);
  whole.searchParams.set('options', [url.searchParams.get('options') ?? '', ...settings].join(' ').trim());
  return whole.href;
}

export function openPool(url: URL): pg.Pool {
  const pool = new pg.Pool({
    connectionString: withSettings(url),
    max: 4,
    min: 0,
    idleTimeoutMillis: 10_000,
    connectionTimeoutMillis: connectMs,
    allowExitOnIdle: true,
  });
  // An idle connection that the server ends is replaced at the next query; without a listener it would end the process.
  pool.on('error', () => {});
  return pool;
}

/** Does `work` over a connection of its own. Never waits for a server that hangs: the connection ends with the deadline. */
export async function withConnection<T>(url: string, deadline: AbortSignal, work: (client: pg.Client) => Promise<T>): Promise<T> {
  deadline.throwIfAborted();
  const socket = new Socket();
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectMs, keepAlive: true, stream: () => socket });
  // A query fails when the server ends the connection; without a listener the process would end, too.
  client.on('error', () => {});
  const end = (): void => void socket.destroy();
  deadline.addEventListener('abort', end, { once: true });
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    deadline.throwIfAborted();
    throw error;
  } finally {
    deadline.removeEventListener('abort', end);
    // The server is told, but not waited for.
    client.end().catch(() => {});
    socket.destroySoon();
  }
}

/** Statements over one connection, until a deadline. */
export class Session {
  readonly #client: pg.ClientBase;
  readonly #deadline: AbortSignal;
  readonly #beforeWrite: () => void;

  constructor(client: pg.ClientBase, deadline: AbortSignal, beforeWrite: () => void) {
    this.#client = client;
    this.#deadline = deadline;
    this.#beforeWrite = beforeWrite;
  }

  async read<T extends object>(statement: string, values: unknown[] = []): Promise<T[]> {
    this.#deadline.throwIfAborted();
    const answer = this.#client.query<T>(statement, values);
    const { rows } = await Promise.race([answer, aborted(this.#deadline, answer)]);
    return rows;
  }

  /** Every change asks first whether it may still be made, because the answer may have changed since the last statement. */
  async change(statement: string, values: unknown[] = []): Promise<void> {
    this.#beforeWrite();
    await this.read(statement, values);
  }
}

/** Rejects once the deadline is over, if the answer has not come by then. */
function aborted(deadline: AbortSignal, answer: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(deadline.reason);
    deadline.addEventListener('abort', stop, { once: true });
    const answered = (): void => deadline.removeEventListener('abort', stop);
    answer.then(answered, answered);
  });
}
