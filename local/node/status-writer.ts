import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { backoffMs } from '../../net/backoff.ts';
import type { Log } from '../process.ts';
import type { Pod, PodStatus } from './pod.ts';

/** Writes the status of one pod: one request at a time, the newest state, and only when it differs from what was written last. */
export class StatusWriter {
  readonly #client: KubeClient;
  readonly #pod: Pod;
  readonly #log: Log;
  readonly #compute: () => PodStatus;
  readonly #over = new AbortController();
  #written: PodStatus | undefined;
  /** Version of the object after the last write. */
  #version = 0n;
  #dirty = false;
  #writing: Promise<void> | undefined;

  constructor(options: { client: KubeClient; pod: Pod; log: Log; compute: () => PodStatus }) {
    this.#client = options.client;
    this.#pod = options.pod;
    this.#log = options.log;
    this.#compute = options.compute;
    this.#written = options.pod.status;
  }

  /** Something changed: write soon. */
  request(): void {
    if (this.#over.signal.aborted) return;
    this.#dirty = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
      if (this.#dirty) this.request();
    });
  }

  /**
   * A version of the pod that was watched. When somebody else has changed whether it is ready, as the controller manager does while
   * this machine sleeps, the truth is written again.
   */
  observe(pod: Pod): void {
    if (this.#writing !== undefined || versionOf(pod) <= this.#version) return;
    if (readinessOf(pod.status) === readinessOf(this.#written)) return;
    this.#written = pod.status;
    this.request();
  }

  /** Resolves when the state at the time of the call has been written, or never will be. */
  async flush(): Promise<void> {
    this.request();
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Nothing is written any more: the pod is gone, or the agent stops. */
  close(): void {
    this.#over.abort();
  }

  async #write(): Promise<void> {
    const { signal } = this.#over;
    const { name, namespace, uid } = this.#pod.metadata;
    // Changes of the same moment become one write.
    await delay(5, undefined, { signal }).catch(() => {});
    for (let attempt = 0; this.#dirty && !signal.aborted; attempt++) {
      this.#dirty = false;
      const status = this.#compute();
      if (isDeepStrictEqual(withoutNulls(status), this.#written)) return;
      try {
        // The uid makes a namesake created meanwhile a Conflict.
        const after = await this.#client.patch<Pod>(
          kinds.Pod,
          name,
          { metadata: { uid }, status },
          { namespace, subresource: 'status', signal },
        );
        this.#written = withoutNulls(status);
        this.#version = versionOf(after);
        attempt = 0;
      } catch (error) {
        if (signal.aborted || (error instanceof KubeError && (error.status === 404 || error.status === 409))) return;
        this.#log.warn({ pod: `${namespace}/${name}`, err: error }, 'status of pod not written, trying again');
        this.#dirty = true;
        await delay(backoffMs({ firstMs: 200, maxMs: 10_000 }, attempt + 1), undefined, { signal }).catch(() => {});
      }
    }
  }
}

/** Null removes a field in a merge patch, so it does not come back. */
function withoutNulls(status: PodStatus): PodStatus {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== null));
}

/** Since Kubernetes 1.35 officially, and with etcd always, versions are numbers that grow. */
function versionOf(pod: Pod): bigint {
  const version = pod.metadata.resourceVersion ?? '';
  return /^[0-9]+$/.test(version) ? BigInt(version) : 0n;
}

function readinessOf(status: PodStatus | undefined): string {
  return (status?.conditions ?? [])
    .filter(({ type }) => type === 'Ready' || type === 'ContainersReady')
    .map(({ type, status: holds }) => `${type}=${holds}`)
    .sort()
    .join();
}
