import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { KubeError } from '../../kube/errors.ts';
import type { Log } from '../machine/process.ts';
import type { Owner } from './atomic-folder.ts';
import type { Pod } from './pod.ts';
import { PodVolumes, type VolumeSources } from './volumes.ts';

/** The folder of one pod: logs, temporary folders, and volumes that follow their sources. */
export class PodFiles {
  readonly #folder: string;
  readonly #log: Log;
  /** Names of Secrets that have changed and are not written yet. */
  readonly #changed = new Set<string>();
  #volumes: PodVolumes | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  logFile(container: string): string {
    return join(this.#folder, `${container}.log`);
  }

  temporaryFolder(container: string): string {
    return join(this.#folder, 'tmp', container);
  }

  volume(name: string): string {
    return join(this.#folder, 'volumes', name);
  }

  /** Creates the volumes. May be called again after a failure. @throws MissingSecretError, KubeError */
  async prepare(pod: Pod, owner: Owner, sources: VolumeSources): Promise<void> {
    if (this.#volumes === undefined) {
      mkdirSync(this.#folder, { recursive: true, mode: 0o711 });
      // Removes leftovers of an earlier run, but keeps its logs.
      for (const part of ['volumes', 'tmp']) rmSync(join(this.#folder, part), { recursive: true, force: true });
      this.#volumes = new PodVolumes({ pod, folder: join(this.#folder, 'volumes'), owner, sources });
    }
    await this.#volumes.prepare();
  }

  /** Rewrites the volumes that show the changed Secret. After a failure, the next tick retries. */
  secretChanged(name: string): void {
    if (this.#volumes === undefined) return;
    this.#changed.add(name);
    this.#refresh();
  }

  /** Periodic work: replaces tokens that are about to expire, and retries failed refreshes. */
  tick(): void {
    this.#refresh();
    this.#onVolumes((volumes) => volumes.refreshTokens());
  }

  /** Removes the volumes, so that Secrets stay on disk only while a program needs them. */
  dropVolumes(): void {
    this.#volumes?.remove();
    this.#volumes = undefined;
  }

  remove(): void {
    this.#volumes = undefined;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #refresh(): void {
    if (this.#changed.size === 0) return;
    this.#onVolumes(async (volumes) => {
      for (const name of [...this.#changed]) {
        this.#changed.delete(name);
        try {
          await volumes.refresh(name);
        } catch (error) {
          // The volume of a deleted Secret stays. Errors of the API are retried at the next tick.
          if (error instanceof KubeError) this.#changed.add(name);
        }
      }
    });
  }

  /** Serializes changes of the volumes. */
  #onVolumes(work: (volumes: PodVolumes) => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#volumes === undefined) return;
      try {
        await work(this.#volumes);
      } catch (error) {
        if (this.#volumes !== undefined) this.#log.warn({ err: error }, 'volumes of a pod not refreshed, trying again');
      }
    });
  }
}
