import { setTimeout as delay } from 'node:timers/promises';
import { longestDelayMs } from '../machine/process.ts';
import { type ContainerHistory, type ContainerHost, ContainerRunner } from './container.ts';
import type { Container, ContainerStatus, PodSpec, RestartPolicy } from './pod.ts';

/** Result of a finished pod. */
export interface Outcome {
  readonly phase: 'Succeeded' | 'Failed';
  readonly reason?: string;
  readonly message?: string;
}

/**
 * Runs the containers of a pod in Kubernetes' order: first the sidecars one by one, then all main containers. The main containers are ended
 * first, and then the sidecars in reverse order.
 */
export class PodContainers {
  readonly #spec: PodSpec;
  readonly #host: ContainerHost;
  readonly #historyOf: (container: string) => ContainerHistory | undefined;
  readonly #sidecars = new Map<string, ContainerRunner>();
  readonly #main = new Map<string, ContainerRunner>();
  readonly #ending = new AbortController();
  #initialized = false;
  #running: Promise<unknown> = Promise.resolve();
  #ended: Promise<void> | undefined;

  constructor(spec: PodSpec, host: ContainerHost, historyOf: (container: string) => ContainerHistory | undefined) {
    this.#spec = spec;
    this.#host = host;
    this.#historyOf = historyOf;
  }

  /** True when every sidecar has started. */
  get initialized(): boolean {
    return this.#initialized;
  }

  /** Status of a container. Undefined before its turn. */
  statusOf(container: string): ContainerStatus | undefined {
    return this.#runner(container)?.status;
  }

  isRunning(container: string): boolean {
    return this.#runner(container)?.isRunning ?? false;
  }

  /** Resolves with the outcome when the pod finished by itself, or with undefined when it was ended. */
  run(): Promise<Outcome | undefined> {
    const running = this.#run();
    this.#running = running.catch(() => {});
    return running;
  }

  /** Ends the running containers within one grace period: main containers first, then sidecars in reverse order. */
  end(graceMs: number, preStop: boolean): Promise<void> {
    this.#ended ??= this.#end(graceMs, preStop);
    return this.#ended;
  }

  /** Kills the remaining containers after `graceMs`, when the grace period was cut short. */
  async hasten(graceMs: number): Promise<void> {
    const over = new AbortController();
    void this.end(graceMs, false).then(() => over.abort());
    await delay(Math.min(graceMs, longestDelayMs), undefined, { signal: over.signal }).catch(() => {});
    await Promise.all([...this.#main.values(), ...this.#sidecars.values()].map((runner) => runner.kill()));
    await this.#ended;
  }

  /** Outcome by exit codes. A container that never ran counts as failed. */
  get outcome(): Outcome {
    const succeeded = this.#spec.containers.every(({ name }) => this.statusOf(name)?.state.terminated?.exitCode === 0);
    return { phase: succeeded ? 'Succeeded' : 'Failed' };
  }

  async #run(): Promise<Outcome | undefined> {
    const { initContainers = [], containers, restartPolicy = 'Always' } = this.#spec;
    const { signal } = this.#ending;
    const sidecarRuns: Promise<void>[] = [];
    for (const spec of initContainers) {
      if (signal.aborted) break;
      const sidecar = this.#add(this.#sidecars, spec, 'Always');
      sidecarRuns.push(sidecar.run());
      await sidecar.started;
    }
    if (!signal.aborted) {
      this.#initialized = true;
      await Promise.all(containers.map((spec) => this.#add(this.#main, spec, restartPolicy).run()));
    }
    if (!signal.aborted) await this.#endSidecars(this.#host.graceMs, true);
    await Promise.all(sidecarRuns);
    return signal.aborted ? undefined : this.outcome;
  }

  async #end(graceMs: number, preStop: boolean): Promise<void> {
    const deadline = Date.now() + graceMs;
    this.#ending.abort();
    await Promise.all([...this.#main.values()].map((runner) => runner.stop(graceMs, { preStop })));
    await this.#endSidecars(Math.max(0, deadline - Date.now()), preStop);
    await this.#running;
  }

  async #endSidecars(graceMs: number, preStop: boolean): Promise<void> {
    const deadline = Date.now() + graceMs;
    for (const runner of [...this.#sidecars.values()].reverse()) await runner.stop(Math.max(0, deadline - Date.now()), { preStop });
  }

  #runner(container: string): ContainerRunner | undefined {
    return this.#sidecars.get(container) ?? this.#main.get(container);
  }

  #add(runners: Map<string, ContainerRunner>, spec: Container, policy: RestartPolicy): ContainerRunner {
    const runner = new ContainerRunner(spec, policy, this.#host, this.#historyOf(spec.name));
    runners.set(spec.name, runner);
    return runner;
  }
}
