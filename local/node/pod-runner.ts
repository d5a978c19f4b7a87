import { EventEmitter, once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { rfc3339 } from '../../crds/conditions.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { trimLog } from '../files.ts';
import type { Log } from '../process.ts';
import type { ProcessRecords } from '../records.ts';
import type { Addresses } from './addresses.ts';
import type { Owner } from './atomic-folder.ts';
import { type ContainerHost, ContainerRunner } from './container.ts';
import type { DataKind, PodFacts } from './environment.ts';
import type { PodEvents } from './events.ts';
import { historyOf, lostStatuses } from './history.ts';
import type { OwnerOf } from './identity.ts';
import type { LocalImages } from './images.ts';
import { type Container, type ContainerStatus, isSidecar, isTerminal, type Pod, type PodStatus, type RestartPolicy } from './pod.ts';
import { programOf } from './program.ts';
import type { References } from './references.ts';
import { notStarted, type Progress, podStatusOf } from './status.ts';
import { StatusWriter } from './status-writer.ts';
import { requestToken } from './tokens.ts';
import { PodVolumes } from './volumes.ts';

/** What all pods of the node share. */
export interface NodeContext {
  readonly client: KubeClient;
  readonly nodeName: string;
  readonly hostIp: string;
  readonly capacity: Readonly<Record<string, string>>;
  /** Folder that holds one folder a pod. */
  readonly podsFolder: string;
  readonly images: LocalImages;
  readonly extraEnv: Readonly<Record<string, string>>;
  readonly addresses: Addresses;
  readonly ownerOf: OwnerOf;
  readonly references: References;
  readonly events: PodEvents;
  readonly records: ProcessRecords;
  readonly log: Log;
}

const maxLogBytes = 10_000_000;
/** For pods whose object was removed by force: nobody waits for them any more. */
const forcedGraceMs = 2_000;

type Outcome = Progress['outcome'];

/** Folder of a pod, named so that a person finds it. */
export function podFolderName(pod: Pod): string {
  return `${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}`;
}

/** Runs one pod from the moment it is bound until it is gone. */
export class PodRunner {
  readonly #context: NodeContext;
  readonly #folder: string;
  readonly #writer: StatusWriter;
  readonly #runners = new Map<string, ContainerRunner>();
  readonly #references = new EventEmitter().setMaxListeners(0);
  readonly #startTime: string;
  /** Aborts when nothing of the pod may start any more. */
  readonly #ending = new AbortController();
  /** Aborts when the object is gone or the agent stops: nothing may be written any more. */
  readonly #gone = new AbortController();
  readonly #pending = new Map<string, { kind: DataKind; name: string }>();
  #pod: Pod;
  #podIp: string | undefined;
  #owner: Owner;
  #volumes: PodVolumes | undefined;
  #volumeWork: Promise<void> = Promise.resolve();
  #initialized = false;
  #released = false;
  #outcome: Outcome;
  #lost: readonly ContainerStatus[] | undefined;
  #waiting: { reason: string; message?: string } = { reason: 'ContainerCreating' };
  #running: Promise<void> = Promise.resolve();
  #ended: Promise<void> | undefined;

  constructor(pod: Pod, context: NodeContext) {
    this.#pod = pod;
    this.#context = context;
    this.#folder = join(context.podsFolder, podFolderName(pod));
    this.#startTime = pod.status?.startTime ?? rfc3339(new Date());
    this.#writer = new StatusWriter({ client: context.client, pod, log: context.log, compute: () => this.#status() });
  }

  /** Resolves when the API server knows the pod as this agent has taken it over: nothing of an earlier run counts as ready. */
  async start(): Promise<void> {
    if (isTerminal(this.#pod)) return this.update(this.#pod);
    this.#running = this.#run().catch((error: unknown) => {
      this.#context.log.error({ pod: this.name, err: error }, 'pod failed in the node agent');
      this.#outcome = { phase: 'Failed', reason: 'AgentError', message: 'the node agent failed; see its log' };
      this.#writer.request();
    });
    const taken = this.#writer.flush();
    this.update(this.#pod);
    await taken;
  }

  get name(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }

  get uid(): string {
    return this.#pod.metadata.uid ?? '';
  }

  /** Log of a container; undefined when the pod has none of that name. */
  logOf(container: string): { file: string; isRunning: () => boolean } | undefined {
    const spec = [...(this.#pod.spec.initContainers ?? []), ...this.#pod.spec.containers].find(({ name }) => name === container);
    if (spec === undefined) return undefined;
    return { file: this.#logFile(container), isRunning: () => this.#runners.get(container)?.isRunning ?? false };
  }

  /** A newer version of the object. */
  update(pod: Pod): void {
    const before = this.#ended === undefined ? undefined : this.#pod.metadata.deletionGracePeriodSeconds;
    this.#pod = pod;
    this.#writer.observe(pod);
    const { deletionTimestamp, deletionGracePeriodSeconds: seconds = 30 } = pod.metadata;
    if (deletionTimestamp === undefined) return;
    if (this.#ended === undefined) void this.#delete(seconds * 1000);
    else if (before !== undefined && seconds < before) {
      void delay(seconds * 1000, undefined, { ref: false }).then(() =>
        Promise.all([...this.#runners.values()].map((runner) => runner.kill())),
      );
    }
  }

  /** The object is gone. Resolves when its processes are too. */
  async removed(): Promise<void> {
    this.#gone.abort();
    this.#writer.close();
    await this.#end(forcedGraceMs, false);
    this.#cleanUp();
  }

  /** The agent stops: processes end, the object stays for the next start. */
  async shutdown(graceMs: number): Promise<void> {
    this.#gone.abort();
    this.#writer.close();
    await this.#end(graceMs, false);
    this.#dropVolumes();
  }

  referenceChanged(kind: DataKind, name: string): void {
    this.#references.emit('changed');
    if (this.#volumes === undefined) return;
    this.#pending.set(`${kind}/${name}`, { kind, name });
    this.#refresh();
  }

  /** Regular work: tokens that are about to expire, refreshes that failed, logs that have grown. */
  tick(): void {
    for (const container of this.#runners.keys()) trimLog(this.#logFile(container), maxLogBytes);
    if (this.#volumes === undefined || this.#ending.signal.aborted) return;
    this.#refresh();
    this.#onVolumes((volumes) => volumes.refreshTokens());
  }

  async #run(): Promise<void> {
    const lost = lostStatuses(this.#pod, rfc3339(new Date()));
    if (lost !== undefined) {
      this.#lost = lost;
      this.#outcome = {
        phase: 'Failed',
        reason: 'NodeRestarted',
        message: 'the pod was running when the node agent stopped, and may not run twice',
      };
      return this.#writer.request();
    }
    if (!(await this.#setUp())) return;
    const deadlineSeconds = this.#pod.spec.activeDeadlineSeconds;
    const over = new AbortController();
    let expired = false;
    if (deadlineSeconds !== undefined) {
      void delay(deadlineSeconds * 1000, undefined, { signal: over.signal, ref: false }).then(
        () => {
          expired = true;
          return this.#end(this.#graceMs, true);
        },
        () => {},
      );
    }
    const outcome = await this.#runContainers();
    over.abort();
    if (expired) this.#outcome = { phase: 'Failed', reason: 'DeadlineExceeded', message: 'the pod was active longer than its deadline' };
    else if (outcome !== undefined) this.#outcome = outcome;
    if (this.#outcome !== undefined) this.#dropVolumes();
    this.#writer.request();
  }

  /** Address, folders and volumes; false when the pod ended before it had them. */
  async #setUp(): Promise<boolean> {
    const { addresses, ownerOf, client, log } = this.#context;
    const { signal } = this.#ending;
    const containers = [...(this.#pod.spec.initContainers ?? []), ...this.#pod.spec.containers];
    const ports = containers.flatMap((container) => (container.ports ?? []).map((port) => port.containerPort));
    for (let attempt = 0; !signal.aborted; attempt++) {
      const looked = new AbortController();
      const change = this.#referencesChanged(AbortSignal.any([signal, looked.signal]));
      try {
        this.#podIp ??= await addresses.take(ports);
        this.#owner = ownerOf(this.#podIp);
        if (this.#volumes === undefined) this.#clearFolder();
        this.#volumes ??= new PodVolumes({
          facts: this.#facts,
          folder: join(this.#folder, 'volumes'),
          owner: this.#owner,
          sources: {
            read: this.#read,
            requestToken: (audience, seconds) => requestToken(client, this.#pod, audience, seconds, signal),
            now: Date.now,
          },
        });
        await this.#volumes.prepare();
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
        await Promise.race([change, delay(Math.min(30_000, 500 * 2 ** attempt), undefined, { signal }).catch(() => {})]);
      } finally {
        looked.abort();
      }
    }
    return false;
  }

  /** An earlier run may have left volumes; its logs are kept. */
  #clearFolder(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o711 });
    for (const part of ['volumes', 'tmp']) rmSync(join(this.#folder, part), { recursive: true, force: true });
  }

  async #runContainers(): Promise<Outcome> {
    const { initContainers = [], containers, restartPolicy = 'Always' } = this.#pod.spec;
    const { signal } = this.#ending;
    const sidecarRuns: Promise<void>[] = [];
    for (const spec of initContainers) {
      if (signal.aborted) break;
      const runner = this.#runner(spec, isSidecar(spec) ? 'Always' : restartPolicy === 'Never' ? 'Never' : 'OnFailure');
      const run = runner.run();
      if (isSidecar(spec)) {
        sidecarRuns.push(run);
        await runner.started;
        continue;
      }
      await run;
      if (!signal.aborted && runner.status.state.terminated?.exitCode !== 0) {
        await this.#stopSidecars(this.#graceMs, true);
        return { phase: 'Failed', message: `init container ${spec.name} failed` };
      }
    }
    if (!signal.aborted) {
      this.#initialized = true;
      await Promise.all(containers.map((spec) => this.#runner(spec, restartPolicy).run()));
    }
    if (!signal.aborted) await this.#stopSidecars(this.#graceMs, true);
    await Promise.all(sidecarRuns);
    return signal.aborted ? undefined : this.#exitOutcome();
  }

  #exitOutcome(): Outcome {
    const succeeded = this.#pod.spec.containers.every(({ name }) => this.#runners.get(name)?.status.state.terminated?.exitCode === 0);
    return { phase: succeeded ? 'Succeeded' : 'Failed' };
  }

  #runner(spec: Container, policy: RestartPolicy): ContainerRunner {
    const host: ContainerHost = {
      podIp: this.#podIp ?? '',
      graceMs: this.#graceMs,
      records: this.#context.records,
      programOf: (container) =>
        programOf({
          container,
          facts: this.#facts,
          images: this.#context.images,
          extraEnv: this.#context.extraEnv,
          read: this.#read,
          folderOf: (volume) => join(this.#folder, 'volumes', volume),
          temporaryFolder: join(this.#folder, 'tmp', container.name),
          logFile: this.#logFile(container.name),
          owner: this.#owner,
        }),
      referencesChanged: (signal) => this.#referencesChanged(signal),
      changed: () => this.#writer.request(),
      event: (type, reason, message) => this.#event(type, reason, message),
    };
    const runner = new ContainerRunner(spec, policy, host, historyOf(this.#pod, spec.name, rfc3339(new Date())));
    this.#runners.set(spec.name, runner);
    return runner;
  }

  /** Ends what runs, main containers first, then sidecars in reverse order, all within one grace period. */
  #end(graceMs: number, preStop: boolean): Promise<void> {
    this.#ended ??= (async () => {
      const deadline = Date.now() + graceMs;
      this.#ending.abort();
      const sidecars = this.#sidecars();
      const others = [...this.#runners.values()].filter((runner) => !sidecars.includes(runner));
      await Promise.all(others.map((runner) => runner.stop(graceMs, { preStop })));
      await this.#stopSidecars(Math.max(0, deadline - Date.now()), preStop);
      await this.#running;
    })();
    return this.#ended;
  }

  async #stopSidecars(graceMs: number, preStop: boolean): Promise<void> {
    const deadline = Date.now() + graceMs;
    for (const runner of this.#sidecars().reverse()) await runner.stop(Math.max(0, deadline - Date.now()), { preStop });
  }

  #sidecars(): ContainerRunner[] {
    return [...this.#runners.values()].filter((runner) => isSidecar(runner.spec));
  }

  /** Ends the pod and then removes its object, as only the node may. */
  async #delete(graceMs: number): Promise<void> {
    const { client, log } = this.#context;
    const { signal } = this.#gone;
    const { name, namespace } = this.#pod.metadata;
    await this.#end(graceMs, true);
    if (!isTerminal(this.#pod)) {
      this.#outcome ??= this.#exitOutcome();
      await this.#writer.flush();
    }
    this.#writer.close();
    // First, so that a pod that is gone has left nothing.
    this.#cleanUp();
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await client.delete(kinds.Pod, name, { namespace, uid: this.uid, gracePeriodSeconds: 0, signal });
        break;
      } catch (error) {
        // Conflict: a namesake with another uid, which is not ours to delete.
        if (signal.aborted || (error instanceof KubeError && error.status === 409)) break;
        log.warn({ pod: this.name, err: error }, 'pod not deleted, trying again');
        await delay(Math.min(10_000, 200 * 2 ** attempt), undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Secrets stay no longer on disk than somebody may read them. */
  #dropVolumes(): void {
    this.#volumes?.remove();
    this.#volumes = undefined;
  }

  #cleanUp(): void {
    this.#volumes = undefined;
    rmSync(this.#folder, { recursive: true, force: true });
    if (this.#podIp !== undefined && !this.#released) this.#context.addresses.release(this.#podIp);
    this.#released = true;
  }

  #refresh(): void {
    if (this.#pending.size === 0) return;
    this.#onVolumes(async (volumes) => {
      for (const [key, { kind, name }] of [...this.#pending]) {
        this.#pending.delete(key);
        try {
          await volumes.refresh(kind, name);
        } catch (error) {
          // Deleted: what was mounted stays. Anything else: once more at the next tick.
          if (error instanceof KubeError) this.#pending.set(key, { kind, name });
        }
      }
    });
  }

  /** One change of the volumes at a time. */
  #onVolumes(work: (volumes: PodVolumes) => Promise<void>): void {
    this.#volumeWork = this.#volumeWork.then(async () => {
      if (this.#volumes === undefined || this.#ending.signal.aborted) return;
      try {
        await work(this.#volumes);
      } catch (error) {
        this.#context.log.warn({ pod: this.name, err: error }, 'volumes not refreshed, trying again');
      }
    });
  }

  #status(): PodStatus {
    const { initContainers = [], containers } = this.#pod.spec;
    const statusOf = (spec: Container) =>
      this.#lost?.find(({ name }) => name === spec.name) ??
      this.#runners.get(spec.name)?.status ??
      notStarted(spec, this.#waiting, historyOf(this.#pod, spec.name, this.#startTime));
    return podStatusOf(
      {
        pod: this.#pod,
        hostIp: this.#context.hostIp,
        podIp: this.#podIp,
        startTime: this.#startTime,
        initContainers: initContainers.map(statusOf),
        containers: containers.map(statusOf),
        initialized: this.#initialized,
        outcome: this.#outcome,
      },
      rfc3339(new Date()),
    );
  }

  get #facts(): PodFacts {
    const { hostIp, nodeName, capacity } = this.#context;
    return { pod: this.#pod, podIp: this.#podIp ?? '', hostIp, nodeName, capacity };
  }

  get #graceMs(): number {
    return (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  #read = (kind: DataKind, name: string) =>
    this.#context.references.read(kind, this.#pod.metadata.namespace ?? '', name, this.#ending.signal);

  #referencesChanged(signal: AbortSignal): Promise<void> {
    return once(this.#references, 'changed', { signal }).then(
      () => {},
      () => {},
    );
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (!this.#gone.signal.aborted) this.#context.events.record(this.#pod, type, reason, message);
  }

  #logFile(container: string): string {
    return join(this.#folder, `${container}.log`);
  }
}
