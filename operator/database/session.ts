import { Socket } from 'node:net';
import pg from 'pg';

/**
 * Settings of every session of the operator. A tenant owns its database and may choose settings for all sessions in it. The settings that
 * could block or mislead the operator are fixed here. Settings of a session override settings of a database.
 */
const fixedSettings: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'off',
  local_preload_libraries: '',
  lock_timeout: '5s',
  role: 'none',
  search_path: 'pg_catalog',
  statement_timeout: '20s',
};

/** Longest time to connect to the server, in milliseconds. */
const connectMs = 5_000;

/** The URL with the fixed settings. They override `others`, because they come last. */
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
  // If the server ends an idle connection, the pool opens another one at the next query. Without a listener the error would end the
  // process.
  pool.on('error', () => {});
  return pool;
}

/** Runs `work` over a connection of its own. The connection ends with the deadline, even if the server hangs. */
export async function withConnection<T>(url: string, deadline: AbortSignal, work: (client: pg.Client) => Promise<T>): Promise<T> {
  deadline.throwIfAborted();
  const socket = new Socket();
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectMs, keepAlive: true, stream: () => socket });
  // A query fails when the server ends the connection. Without a listener the error would also end the process.
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
    // The end of the connection is announced to the server, but not awaited.
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

  /** Every change first checks that it is still allowed, because that may have changed since the last statement. */
  async change(statement: string, values: unknown[] = []): Promise<void> {
    this.#beforeWrite();
    await this.read(statement, values);
  }
}

/** Rejects at the deadline, unless the answer arrives before it. */
function aborted(deadline: AbortSignal, answer: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(deadline.reason);
    deadline.addEventListener('abort', stop, { once: true });
    const answered = (): void => deadline.removeEventListener('abort', stop);
    answer.then(answered, answered);
  });
}
