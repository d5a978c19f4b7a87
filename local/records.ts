import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writePrivate } from './files.ts';
import { familyOf, isRunning, killFamily, type ProcessIdentity, signalProcess } from './proc.ts';

/** How a process is ended, and how what it started is found. */
export interface Ending {
  /** What asks it to end; SIGTERM when left out. */
  readonly stopSignal?: NodeJS.Signals | undefined;
  /** A `NAME=value` that only it and what it starts have in their environment. */
  readonly marker?: string | undefined;
}

type Recorded = ProcessIdentity & Ending;

/**
 * The processes a run has started, one small file each. A run that is killed cannot end its children; the next one finds them here
 * and ends them, and nothing else: number, start time and boot must match.
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

  /** Ends what an earlier run left: asks first, and kills after `graceMs`. Resolves with how many processes there were. */
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
          // A file cut short by a crash names nobody.
          rmSync(join(this.#folder, name), { force: true });
          return [];
        }
      });
  }

  #file(pid: number): string {
    return join(this.#folder, `${pid}.json`);
  }
}
