import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identify, isRunning, type ProcessIdentity } from './process-identity.ts';
import { ProcessRecords } from './process-records.ts';

/** A state folder that only this process uses until it releases the folder. */
export interface ClaimedFolder {
  readonly records: ProcessRecords;
  /** Number of processes of a killed run that were ended. */
  readonly orphans: number;
  release(): void;
}

/**
 * Claims `dir` for this process: creates it if needed, and ends the processes that a killed run left behind.
 * @throws Error that names the other run, when another run uses the folder.
 */
export async function claimFolder(dir: string, mode = 0o700): Promise<ClaimedFolder> {
  mkdirSync(dir, { recursive: true, mode });
  const lock = join(dir, 'owner.json');
  const self = identify(process.pid);
  if (self === undefined) throw new Error('this machine has no /proc: the local cluster runs on Linux only');
  for (;;) {
    try {
      writeFileSync(lock, JSON.stringify(self), { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = ownerOf(lock);
    if (owner !== undefined && isRunning(owner)) {
      throw new Error(`${dir} is in use by process ${owner.pid}; stop that run first, or use another folder`);
    }
    rmSync(lock, { force: true });
  }
  const records = new ProcessRecords(join(dir, 'processes'));
  const orphans = await records.endOrphans();
  return { records, orphans, release: () => rmSync(lock, { force: true }) };
}

function ownerOf(lock: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(lock, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
