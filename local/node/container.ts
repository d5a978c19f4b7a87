import { existsSync, renameSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { rfc3339 } from '../../crds/conditions.ts';
import { backoffMs } from '../../net/backoff.ts';
import { type Child, type Exit, longestDelayMs, type Program, startChild } from '../machine/process.ts';
import type { ProcessRecords } from '../machine/process-records.ts';
import { MissingSecretError } from './environment.ts';
import type { Container, ContainerState, ContainerStatus, Probe, RestartPolicy, Terminated } from './pod.ts';
import { type Failure, runProbe } from './prober.ts';
import { RestartPause } from './restart-pause.ts';

/** The node agent does not know the image. Retrying is useless until the pod changes. */
export class UnknownImageError extends Error {
  override readonly name = 'UnknownImageError';
}

/** The parts of a pod that a container needs. */
export interface ContainerHost {
  readonly podIp: string;
  readonly graceMs: number;
  readonly records: ProcessRecords;
  /** Returns the program of a container with its resolved environment. @throws MissingSecretError, UnknownImageError */
  readonly programOf: (container: Container) => Promise<Program>;
  /** Resolves when a Secret of the pod's namespace has changed. */
  readonly secretChanged: (signal: AbortSignal) => Promise<void>;
  readonly changed: () => void;
  readonly event: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

/** State of the container from an earlier run of the agent. `restartCount` includes the upcoming start. */
export interface ContainerHistory {
  readonly restartCount: number;
  readonly lastState: ContainerState;
}

/** Minimum time between SIGTERM and SIGKILL, even when the preStop pause has used up the grace period. */
const minimumStopMs = 2_000;

/** Runs one container of a pod as a process, restarts it by its restart policy, and tracks its status. */
export class ContainerRunner {
  readonly spec: Container;
  readonly #host: ContainerHost;
  readonly #policy: RestartPolicy;
  readonly #pause = new RestartPause();
  readonly #stopping = new AbortController();
  readonly #firstStart = Promise.withResolvers<boolean>();
  #child: Child | undefined;
  #state: ContainerState = { waiting: { reason: 'PodInitializing' } };
  #lastState: ContainerState;
  #restartCount: number;
  #everRan = false;
  #started = false;
  #ready = false;
  #stopped: Promise<void> | undefined;

  constructor(spec: Container, policy: RestartPolicy, host: ContainerHost, history?: ContainerHistory) {
    this.spec = spec;
    this.#policy = policy;
    this.#host = host;
    this.#restartCount = history?.restartCount ?? 0;
    this.#lastState = history?.lastState ?? {};
  }

  /** Resolves with true when it runs and its startup probe has succeeded, or with false when it ended for good before that. */
  get started(): Promise<boolean> {
    return this.#firstStart.promise;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get status(): ContainerStatus {
    const { name, image } = this.spec;
    const id = this.#child === undefined ? this.#state.terminated?.containerID : idOf(this.#child);
    return {
      name,
      image,
      imageID: '',
      ...(id === undefined ? {} : { containerID: id }),
      state: this.#state,
      lastState: this.#lastState,
      ready: this.#ready,
      started: this.#started,
      restartCount: this.#restartCount,
    };
  }

  /** Runs until the container has ended for good. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        const began = Date.now();
        const terminated = await this.#runOnce(signal);
        this.#child = undefined;
        this.#ready = false;
        this.#started = false;
        if (terminated === undefined) return;
        this.#set({ terminated });
        if (this.#policy === 'Never' || signal.aborted) return;
        await this.#backOff(terminated, this.#pause.after(Date.now() - began), signal);
      }
    } finally {
      this.#firstStart.resolve(false);
    }
  }

  /** Ends the container for good: preStop pause, SIGTERM, and SIGKILL after `graceMs`. */
  stop(graceMs: number, options: { preStop: boolean } = { preStop: true }): Promise<void> {
    this.#stopped ??= this.#stop(graceMs, options.preStop);
    return this.#stopped;
  }

  /** Sends SIGKILL at once, when the grace period was cut short. */
  async kill(): Promise<void> {
    this.#stopping.abort();
    await this.#child?.stop(0, 'SIGKILL');
  }

  async #stop(graceMs: number, preStop: boolean): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child === undefined) return;
    await this.#end(child, graceMs, preStop);
  }

  async #end(child: Child, graceMs: number, preStop: boolean): Promise<void> {
    const deadline = Date.now() + graceMs;
    const pauseMs = preStop ? Math.min(graceMs, (this.spec.lifecycle?.preStop.sleep.seconds ?? 0) * 1000) : 0;
    if (pauseMs > 0) await Promise.race([child.exited, delay(pauseMs, undefined, { ref: false })]);
    await child.stop(Math.max(Math.min(graceMs, minimumStopMs), deadline - Date.now()));
  }

  /** Runs the process once. Undefined when it was stopped before the start. */
  async #runOnce(signal: AbortSignal): Promise<Terminated | undefined> {
    const program = await this.#resolve(signal);
    if (program === undefined || signal.aborted) return undefined;
    if (this.#everRan) this.#restartCount++;
    this.#everRan = true;
    keepPrevious(program.logFile);
    const startedAt = rfc3339(new Date());
    let child: Child;
    try {
      child = await startChild(program, this.#host.records);
    } catch (error) {
      const message = error instanceof Error ? error.message : 'cannot be started';
      this.#host.event('Warning', 'Failed', `Error: ${message}`);
      return { exitCode: 128, reason: 'StartError', message, startedAt, finishedAt: rfc3339(new Date()) };
    }
    this.#child = child;
    this.#set({ running: { startedAt } });
    this.#host.event('Normal', 'Started', `Started container ${this.spec.name}`);
    const life = new AbortController();
    const probing = this.#probe(child, life.signal);
    if (signal.aborted) void this.#end(child, 0, false);
    const exit = await child.exited;
    life.abort();
    await probing;
    return terminatedOf(exit, startedAt, child);
  }

  /** Waits until all Secrets exist, then returns the program. */
  async #resolve(signal: AbortSignal): Promise<Program | undefined> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      const changed = new AbortController();
      const either = AbortSignal.any([signal, changed.signal]);
      // Subscribes before the look-up, so that a change during the look-up is not lost.
      const change = this.#host.secretChanged(either);
      try {
        return await this.#host.programOf(this.spec);
      } catch (error) {
        const message = error instanceof Error ? error.message : 'unknown error';
        if (error instanceof UnknownImageError) {
          this.#set({ waiting: { reason: 'ErrImageNeverPull', message } });
          this.#host.event('Warning', 'ErrImageNeverPull', message);
          await delay(longestDelayMs, undefined, { signal, ref: false }).catch(() => {});
        } else {
          this.#set({ waiting: { reason: 'CreateContainerConfigError', message } });
          this.#host.event('Warning', 'Failed', `Error: ${message}`);
          // The watch reports a missing Secret once it is created. Other errors, such as an unreachable API server, need a retry.
          const retryMs = error instanceof MissingSecretError ? 60_000 : backoffMs({ firstMs: 500, maxMs: 30_000 }, attempt + 1);
          await Promise.race([change, delay(retryMs, undefined, { signal: either, ref: false }).catch(() => {})]);
        }
      } finally {
        changed.abort();
      }
    }
    return undefined;
  }

  async #backOff(terminated: Terminated, pauseMs: number, signal: AbortSignal): Promise<void> {
    this.#lastState = { terminated };
    if (pauseMs > 0) {
      const message = `back-off ${pauseMs / 1000}s restarting failed container=${this.spec.name}`;
      this.#set({ waiting: { reason: 'CrashLoopBackOff', message } });
      this.#host.event('Warning', 'BackOff', `Back-off restarting failed container ${this.spec.name}`);
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
    // A container that was stopped while waiting keeps its last terminated state.
    if (signal.aborted) this.#set({ terminated });
  }

  async #probe(child: Child, life: AbortSignal): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe, name } = this.spec;
    const { podIp, graceMs } = this.#host;
    const unhealthy = (what: string, failure: Failure) =>
      this.#host.event('Warning', 'Unhealthy', `${what} probe failed: ${failure ?? 'unknown'}`);
    const restart = (what: string) => {
      this.#host.event('Normal', 'Killing', `Container ${name} failed ${what} probe, will be restarted`);
      void this.#end(child, graceMs, true);
    };
    const guard = (what: 'startup' | 'liveness', probe: Probe, done?: () => void): Promise<void> => {
      const over = new AbortController();
      return runProbe(
        {
          probe,
          podIp,
          eager: what === 'startup',
          onResult: (healthy, failure) => {
            if (healthy) {
              if (done === undefined) return;
              over.abort();
              done();
            } else {
              unhealthy(what === 'startup' ? 'Startup' : 'Liveness', failure);
              over.abort();
              restart(what);
            }
          },
        },
        AbortSignal.any([over.signal, life]),
      );
    };
    if (startupProbe !== undefined) await guard('startup', startupProbe, () => this.#setStarted());
    else this.#setStarted();
    if (life.aborted || !this.#started) return;
    const watches: Promise<void>[] = [];
    if (livenessProbe !== undefined) watches.push(guard('liveness', livenessProbe));
    if (readinessProbe === undefined) this.#setReady(true);
    else {
      const onResult = (healthy: boolean, failure: Failure) => {
        if (!healthy) unhealthy('Readiness', failure);
        this.#setReady(healthy);
      };
      watches.push(runProbe({ probe: readinessProbe, podIp, eager: true, onResult }, life));
    }
    await Promise.all(watches);
  }

  #setStarted(): void {
    this.#started = true;
    this.#firstStart.resolve(true);
    this.#host.changed();
  }

  #setReady(ready: boolean): void {
    if (this.#ready === ready) return;
    this.#ready = ready;
    this.#host.changed();
  }

  #set(state: ContainerState): void {
    this.#state = state;
    this.#host.changed();
  }
}

function terminatedOf(exit: Exit, startedAt: string, child: Child): Terminated {
  const reason = exit.code === 0 ? 'Completed' : 'Error';
  return { exitCode: exit.code, reason, startedAt, finishedAt: rfc3339(new Date()), containerID: idOf(child) };
}

function idOf(child: Child): string {
  return `process://${child.identity.pid}-${child.identity.startTicks}`;
}

/** Keeps the log of the previous run, for `kubectl logs --previous`. */
function keepPrevious(logFile: string): void {
  if (existsSync(logFile)) renameSync(logFile, previousLog(logFile));
}

export function previousLog(logFile: string): string {
  return logFile.replace(/\.log$/, '.previous.log');
}
