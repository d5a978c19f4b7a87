import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { backoffMs } from '../../net/backoff.ts';
import type { Log } from '../machine/process.ts';
import type { Pod, PodStatus } from './pod.ts';

/** Writes the newest status of one pod. Sends one request at a time, and only when the status differs from the last write. */
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

  /** Requests a write soon, after a change. */
  request(): void {
    if (this.#over.signal.aborted) return;
    this.#dirty = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
      if (this.#dirty) this.request();
    });
  }

  /**
   * Handles a version of the pod from the watch. When another client has changed its readiness, as the controller manager does while
   * this machine sleeps, the actual status is written again.
   */
  observe(pod: Pod): void {
    if (this.#writing !== undefined || versionOf(pod) <= this.#version) return;
    if (readinessOf(pod.status) === readinessOf(this.#written)) return;
    this.#written = pod.status;
    this.request();
  }

  /** Resolves when the status at the time of the call has been written, or when the writer has given up. */
  async flush(): Promise<void> {
    this.request();
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Ends all writes, when the pod is gone or the agent stops. */
  close(): void {
    this.#over.abort();
  }

  async #write(): Promise<void> {
    const { signal } = this.#over;
    const { name, namespace, uid } = this.#pod.metadata;
    // Batches simultaneous changes into one write.
    await delay(5, undefined, { signal }).catch(() => {});
    for (let attempt = 0; this.#dirty && !signal.aborted; attempt++) {
      this.#dirty = false;
      const status = this.#compute();
      if (isDeepStrictEqual(withoutNulls(status), this.#written)) return;
      try {
        // The uid causes a conflict when a new pod has the same name.
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

/** Removes null fields. In a merge patch null deletes a field, so the API server does not return it. */
function withoutNulls(status: PodStatus): PodStatus {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== null));
}

/** Resource versions are increasing numbers: by specification since Kubernetes 1.35, and always with etcd. */
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
