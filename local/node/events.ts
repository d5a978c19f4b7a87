import { randomBytes } from 'node:crypto';
import { rfc3339 } from '../../crds/conditions.ts';
import type { KubeClient } from '../../kube/client.ts';
import { kinds } from '../../kube/resources.ts';
import type { Log } from '../machine/process.ts';
import type { Pod } from './pod.ts';

/** Minimum interval between two equal events of a pod, in milliseconds. It keeps a failing pod from flooding the API server. */
const quietMs = 60_000;
const remembered = 2_000;

/** Writes the events of pods that `kubectl describe pod` shows. Callers do not wait for them, and a failed write is dropped. */
export class PodEvents {
  readonly #client: KubeClient;
  readonly #nodeName: string;
  readonly #log: Log;
  readonly #written = new Map<string, number>();

  constructor(options: { client: KubeClient; nodeName: string; log: Log }) {
    this.#client = options.client;
    this.#nodeName = options.nodeName;
    this.#log = options.log;
  }

  record(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { name, namespace = '', uid } = pod.metadata;
    const key = `${uid}/${reason}/${message}`;
    const now = Date.now();
    if (type === 'Warning' && now - (this.#written.get(key) ?? 0) < quietMs) return;
    this.#written.delete(key);
    this.#written.set(key, now);
    if (this.#written.size > remembered) this.#written.delete(this.#written.keys().next().value ?? '');
    const time = rfc3339(new Date(now));
    const event = {
      metadata: { name: `${name}.${randomBytes(8).toString('hex')}`, namespace },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
      type,
      reason,
      message: message.slice(0, 1000),
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
      source: { component: 'tenantry-node', host: this.#nodeName },
      reportingComponent: 'tenantry-node',
      reportingInstance: this.#nodeName,
    };
    this.#client.create(kinds.Event, event, { namespace }).catch((error: unknown) => {
      this.#log.debug({ err: error, reason }, 'event not written');
    });
  }
}
