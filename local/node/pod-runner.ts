import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { rfc3339 } from '../../crds/conditions.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { backoffMs } from '../../net/backoff.ts';
import { trimLog } from '../machine/files.ts';
import type { Log } from '../machine/process.ts';
import type { ProcessRecords } from '../machine/process-records.ts';
import type { Addresses } from './addresses.ts';
import type { Owner } from './atomic-folder.ts';
import type { ContainerHost } from './container.ts';
import type { PodEvents } from './events.ts';
import { historyOf, lostStatuses } from './history.ts';
import type { OwnerOf } from './identity.ts';
import type { LocalImages } from './images.ts';
import { type Container, type ContainerStatus, containersOf, isTerminal, type Pod, type PodStatus } from './pod.ts';
import { type Outcome, PodContainers } from './pod-containers.ts';
import { PodFiles } from './pod-files.ts';
import { programOf } from './program.ts';
import type { Secrets } from './secrets.ts';
import { notStarted, podStatusOf } from './status.ts';
import { StatusWriter } from './status-writer.ts';
import { requestToken } from './tokens.ts';
import type { VolumeSources } from './volumes.ts';

/** Context that all pods of the node share. */
export interface NodeContext {
  readonly client: KubeClient;
  readonly hostIp: string;
  /** Parent folder of the pods' folders. */
  readonly podsFolder: string;
  readonly images: LocalImages;
  readonly extraEnv: Readonly<Record<string, string>>;
  readonly addresses: Addresses;
  readonly ownerOf: OwnerOf;
  readonly secrets: Secrets;
  readonly events: PodEvents;
  readonly records: ProcessRecords;
  readonly log: Log;
}

const maxLogBytes = 10_000_000;
/** Grace period of pods whose object was force-deleted, in milliseconds. */
const forcedGraceMs = 2_000;

/** Returns the folder name of a pod, readable for people. */
export function podFolderName(pod: Pod): string {
  return `${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}`;
}

/** Runs one pod from its binding until it is gone. */
export class PodRunner {
  readonly #context: NodeContext;
  readonly #files: PodFiles;
  readonly #writer: StatusWriter;
  readonly #containers: PodContainers;
  readonly #secrets = new EventEmitter().setMaxListeners(0);
  readonly #takenAt = rfc3339(new Date());
  /** The pod at the time this agent took it over. */
  readonly #taken: Pod;
  /** Aborts when no container of the pod may start any more. */
  readonly #ending = new AbortController();
  /** Aborts when the object is gone or the agent stops. All writes end then. */
  readonly #gone = new AbortController();
  #pod: Pod;
  #podIp: string | undefined;
  #released = false;
  #owner: Owner;
  #outcome: Outcome | undefined;
  #lost: readonly ContainerStatus[] | undefined;
  #waiting: { reason: string; message?: string } = { reason: 'ContainerCreating' };
  #running: Promise<void> = Promise.resolve();
  #deleting: Promise<void> | undefined;

  constructor(pod: Pod, context: NodeContext) {
    this.#pod = pod;
    this.#taken = pod;
    this.#context = context;
    this.#files = new PodFiles(join(context.podsFolder, podFolderName(pod)), context.log);
    this.#writer = new StatusWriter({ client: context.client, pod, log: context.log, compute: () => this.#status() });
    this.#containers = new PodContainers(pod.spec, this.#host(), (container) => historyOf(pod, container, this.#takenAt));
  }

  /** Resolves when the API server has the status of this agent, so that containers of an earlier run no longer count as ready. */
  async start(): Promise<void> {
    if (isTerminal(this.#pod)) return this.update(this.#pod);
    this.#running = this.#run().catch((error: unknown) => {
      this.#context.log.error({ pod: this.name, err: error }, 'pod failed in the node agent');
      this.#outcome = { phase: 'Failed', reason: 'AgentError', message: 'the node agent failed; see its log' };
      this.#writer.request();
    });
    const written = this.#writer.flush();
    this.update(this.#pod);
    await written;
  }

  get name(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }

  get uid(): string {
    return this.#pod.metadata.uid ?? '';
  }

  /** Log of a container. Undefined when the pod has no container of that name. */
  logOf(container: string): { file: string; isRunning: () => boolean } | undefined {
    if (!this.#specs.some(({ name }) => name === container)) return undefined;
    return { file: this.#files.logFile(container), isRunning: () => this.#containers.isRunning(container) };
  }

  /** Handles a newer version of the object. */
  update(pod: Pod): void {
    const before = this.#pod.metadata.deletionGracePeriodSeconds;
    this.#pod = pod;
    if (!isTerminal(pod)) this.#writer.observe(pod);
    const { deletionTimestamp, deletionGracePeriodSeconds: seconds = 30 } = pod.metadata;
    if (deletionTimestamp === undefined) return;
    if (this.#deleting === undefined) this.#deleting = this.#delete(seconds * 1000);
    else if (before !== undefined && seconds < before) void this.#containers.hasten(seconds * 1000);
  }

  /** Handles the removal of the object. Resolves when its processes have ended. */
  async removed(): Promise<void> {
    await this.#leave(forcedGraceMs);
    this.#cleanUp();
  }

  /** Ends the processes when the agent stops. The object stays for the next start. */
  async shutdown(graceMs: number): Promise<void> {
    await this.#leave(graceMs);
    this.#files.dropVolumes();
  }

  secretChanged(name: string): void {
    this.#secrets.emit('changed');
    this.#files.secretChanged(name);
  }

  /** Periodic work: replaces tokens that are about to expire, retries failed refreshes, and trims long logs. */
  tick(): void {
    for (const { name } of this.#specs) trimLog(this.#files.logFile(name), maxLogBytes);
    if (!this.#ending.signal.aborted) this.#files.tick();
  }

  async #run(): Promise<void> {
    const lost = lostStatuses(this.#taken, this.#takenAt);
    if (lost !== undefined) {
      const message = 'the pod was running when the node agent stopped, and may not run twice';
      this.#lost = lost;
      this.#outcome = { phase: 'Failed', reason: 'NodeRestarted', message };
      return this.#writer.request();
    }
    if (!(await this.#setUp())) return;
    const outcome = await this.#containers.run();
    if (outcome === undefined) return;
    this.#outcome = outcome;
    this.#files.dropVolumes();
    this.#writer.request();
  }

  /** Prepares address, folders and volumes. Resolves with false when the pod ended first. */
  async #setUp(): Promise<boolean> {
    const { addresses, ownerOf, client, log } = this.#context;
    const { signal } = this.#ending;
    const ports = this.#specs.flatMap((container) => (container.ports ?? []).map((port) => port.containerPort));
    const sources: VolumeSources = {
      read: this.#read,
      requestToken: (audience, seconds) => requestToken(client, this.#pod, audience, seconds, signal),
      now: Date.now,
    };
    for (let attempt = 0; !signal.aborted; attempt++) {
      const looked = new AbortController();
      const change = this.#secretChanged(AbortSignal.any([signal, looked.signal]));
      try {
        this.#podIp ??= await addresses.take(ports);
        this.#owner = ownerOf(this.#podIp);
        await this.#files.prepare(this.#pod, this.#owner, sources);
        this.#waiting = { reason: 'PodInitializing' };
        this.#writer.request();
        return !signal.aborted;
      } catch (error) {
        if (signal.aborted) return false;
        const message = error instanceof Error ? error.message : 'unknown error';
        this.#waiting = { reason: 'ContainerCreating', message };
        this.#writer.request();
        this.#event('Warning', this.#podIp === undefined ? 'FailedCreatePodSandBox' : 'FailedMount', message);
        log.debug({ pod: this.name, err: error }, 'pod cannot be set up yet');
        await Promise.race([change, delay(backoffMs({ firstMs: 500, maxMs: 30_000 }, attempt + 1), undefined, { signal }).catch(() => {})]);
      } finally {
        looked.abort();
      }
    }
    return false;
  }

  #host(): ContainerHost {
    const runner = this;
    return {
      get podIp() {
        return runner.#podIp ?? '';
      },
      graceMs: this.#graceMs,
      records: this.#context.records,
      programOf: (container) =>
        programOf({
          container,
          podIp: runner.#podIp ?? '',
          images: this.#context.images,
          extraEnv: this.#context.extraEnv,
          read: this.#read,
          folderOf: (volume) => this.#files.volume(volume),
          temporaryFolder: this.#files.temporaryFolder(container.name),
          logFile: this.#files.logFile(container.name),
          owner: this.#owner,
        }),
      secretChanged: (signal) => this.#secretChanged(signal),
      changed: () => this.#writer.request(),
      event: (type, reason, message) => this.#event(type, reason, message),
    };
  }

  /** Ends the pod and then removes its object. Only the node may do this. */
  async #delete(graceMs: number): Promise<void> {
    const { client, log } = this.#context;
    const { signal } = this.#gone;
    const { name, namespace } = this.#pod.metadata;
    this.#ending.abort();
    await this.#containers.end(graceMs, true);
    await this.#running;
    if (!isTerminal(this.#pod)) {
      this.#outcome ??= this.#containers.outcome;
      await this.#writer.flush();
    }
    this.#writer.close();
    if (signal.aborted) return;
    // Cleans up first, so that a removed pod leaves no files.
    this.#cleanUp();
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await client.delete(kinds.Pod, name, { namespace, uid: this.uid, gracePeriodSeconds: 0, signal });
        break;
      } catch (error) {
        // A conflict means a pod of the same name with another uid, which must not be deleted.
        if (signal.aborted || (error instanceof KubeError && error.status === 409)) break;
        log.warn({ pod: this.name, err: error }, 'pod not deleted, trying again');
        await delay(backoffMs({ firstMs: 200, maxMs: 10_000 }, attempt + 1), undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Ends all writes and gives the running containers `graceMs`, even if they were ending with a longer grace period. */
  async #leave(graceMs: number): Promise<void> {
    this.#gone.abort();
    this.#writer.close();
    this.#ending.abort();
    await this.#containers.hasten(graceMs);
    await this.#running;
  }

  #cleanUp(): void {
    this.#files.remove();
    if (this.#podIp !== undefined && !this.#released) this.#context.addresses.release(this.#podIp);
    this.#released = true;
  }

  #status(): PodStatus {
    const { initContainers = [], containers } = this.#pod.spec;
    const statusOf = (spec: Container) =>
      this.#lost?.find(({ name }) => name === spec.name) ??
      this.#containers.statusOf(spec.name) ??
      notStarted(spec, this.#waiting, historyOf(this.#taken, spec.name, this.#takenAt));
    return podStatusOf(
      {
        pod: this.#pod,
        hostIp: this.#context.hostIp,
        podIp: this.#podIp,
        startTime: this.#startTime,
        initContainers: initContainers.map(statusOf),
        containers: containers.map(statusOf),
        initialized: this.#containers.initialized,
        outcome: this.#outcome,
      },
      rfc3339(new Date()),
    );
  }

  get #specs(): Container[] {
    return containersOf(this.#pod);
  }

  get #startTime(): string {
    return this.#taken.status?.startTime ?? this.#takenAt;
  }

  get #graceMs(): number {
    return (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  #read = (name: string) => this.#context.secrets.read(this.#pod.metadata.namespace ?? '', name, this.#ending.signal);

  #secretChanged(signal: AbortSignal): Promise<void> {
    return once(this.#secrets, 'changed', { signal }).then(
      () => {},
      () => {},
    );
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (!this.#gone.signal.aborted) this.#context.events.record(this.#pod, type, reason, message);
  }
}
