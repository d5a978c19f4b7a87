import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The account that runs a PostgreSQL program. PostgreSQL refuses to run as root. */
export interface PostgresAccount {
  /** Command and arguments to put before the program. */
  readonly prefix: readonly string[];
  /** User of the process and of its files. Left out for the current user. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * Chooses the account for PostgreSQL. An ordinary user runs it under its own account. Root runs it as `postgres` or `nobody`. When that
 * account has no access to the programs or the folder, such as in a checkout below /root, root runs it in a user namespace that maps
 * root to the account's id.
 * @throws Error that names the remedy.
 */
export function choosePostgresAccount(program: string, folder: string): PostgresAccount {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const account = findAccount(['postgres', 'nobody']);
  if (account === undefined) {
    throw new Error('PostgreSQL refuses to run as root, and there is no account `postgres` or `nobody`: run as an ordinary user');
  }
  const runs = (command: string, args: readonly string[], owner?: { uid: number; gid: number }) =>
    spawnSync(command, args, { env: {}, stdio: 'ignore', cwd: folder, ...owner }).status === 0;
  if (runs(program, ['--version'], account)) return { prefix: [], owner: account };
  const prefix = ['/usr/bin/unshare', '--user', `--map-user=${account.uid}`, `--map-group=${account.gid}`, '--'];
  if (runs('/usr/bin/unshare', [...prefix.slice(1), program, '--version'])) return { prefix };
  throw new Error(
    `PostgreSQL refuses to run as root, and its account cannot get at ${program} or ${folder}: put the checkout where everybody may read, or run as an ordinary user`,
  );
}

function findAccount(names: readonly string[]): { uid: number; gid: number } | undefined {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of names) {
    // initdb requires an account that exists.
    const entry = accounts.find(([account]) => account === name);
    if (entry !== undefined) return { uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  return undefined;
}
