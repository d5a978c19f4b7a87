import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** How a PostgreSQL program is started so that it does not run as root, which it refuses. */
export interface PostgresAccount {
  /** Put before the program. */
  readonly prefix: readonly string[];
  /** User of the process and of its files; left out for our own user. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * An ordinary user runs it as itself. Root runs it as the account `postgres` or `nobody`; where that account cannot get at the
 * programs or the folder, as in a checkout below /root, as root in a user namespace that calls root by the account's number.
 * @throws Error that says what to do.
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
    // initdb wants an account that exists.
    const entry = accounts.find(([account]) => account === name);
    if (entry !== undefined) return { uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  return undefined;
}
