import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writePrivate } from './files.ts';
import { familyOf, isRunning, killFamily, type ProcessIdentity, signalProcess } from './process-identity.ts';

/** How to stop a process and find its descendants. */
export interface Ending {
  /** Signal that asks it to end. SIGTERM when left out. */
  readonly stopSignal?: NodeJS.Signals | undefined;
  /** A `NAME=value` that only the process and its descendants have in their environment. */
  readonly marker?: string | undefined;
}

type Recorded = ProcessIdentity & Ending;

/**
 * Records the processes that a run has started, one small file each. A killed run cannot end its children, so the next run finds them
 * here and ends them. It ends only processes whose pid, start time and boot id match.
 */
export class ProcessRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  add({ pid, startTicks, boot }: ProcessIdentity, { stopSignal, marker }: Ending): void {
    const recorded: Recorded = { pid, startTicks, boot, stopSignal, marker };
    writePrivate(this.#file(pid), JSON.stringify(recorded));
  }

  remove(process: ProcessIdentity): void {
    rmSync(this.#file(process.pid), { force: true });
  }

  /** Ends the processes of an earlier run: stop signal first, SIGKILL after `graceMs`. Resolves with their number. */
  async endOrphans(graceMs = 5_000): Promise<number> {
    const leaders = this.#read();
    const orphans = leaders.filter((leader) => familyOf(leader, leader.marker).length > 0);
    for (const leader of orphans) if (isRunning(leader)) signalProcess(leader.pid, leader.stopSignal ?? 'SIGTERM');
    const deadline = Date.now() + graceMs;
    while (orphans.some(isRunning) && Date.now() < deadline) await delay(25);
    for (const leader of orphans) killFamily(leader, leader.marker);
    while (orphans.some((leader) => familyOf(leader, leader.marker).length > 0) && Date.now() < deadline + 5_000) await delay(10);
    for (const leader of leaders) this.remove(leader);
    return orphans.length;
  }

  #read(): Recorded[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => {
        try {
          return [JSON.parse(readFileSync(join(this.#folder, name), 'utf8')) as Recorded];
        } catch {
          // A file that a crash cut short identifies no process.
          rmSync(join(this.#folder, name), { force: true });
          return [];
        }
      });
  }

  #file(pid: number): string {
    return join(this.#folder, `${pid}.json`);
  }
}
