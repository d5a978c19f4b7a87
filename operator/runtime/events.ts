import { randomBytes } from 'node:crypto';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { kinds } from '../../kube/resources.ts';
import type { EventReason } from './event-reasons.ts';

const repeatAfterMs = 10 * 60_000;

/**
 * Records Events on a Tenant (`kubectl describe tn`). The same Event is recorded at most once in ten minutes. Events are hints: an Event
 * that cannot be written is dropped.
 */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #now: () => Date;
  readonly #told = new Map<string, number>();

  constructor(client: KubeClient, now: () => Date = () => new Date()) {
    this.#client = client;
    this.#now = now;
  }

  async record(tenant: Tenant, type: 'Normal' | 'Warning', reason: EventReason, message: string): Promise<void> {
    const now = this.#now();
    const key = `${tenant.metadata.uid}/${reason}/${message}`;
    for (const [told, time] of this.#told) if (now.getTime() - time > repeatAfterMs) this.#told.delete(told);
    if (this.#told.has(key)) return;
    this.#told.set(key, now.getTime());
    const time = now.toISOString();
    await this.#client
      .create(kinds.Event, {
        // Events of cluster-scoped objects belong to the namespace default.
        metadata: { name: `${tenant.metadata.name}.${randomBytes(8).toString('hex')}`, namespace: 'default' },
        ...{
          involvedObject: {
            apiVersion: tenant.apiVersion,
            kind: 'Tenant',
            name: tenant.metadata.name,
            uid: tenant.metadata.uid,
            resourceVersion: tenant.metadata.resourceVersion,
          },
          type,
          reason,
          message: message.slice(0, 1000),
          source: { component: 'tenantry-operator' },
          firstTimestamp: time.replace(/\.\d+Z$/, 'Z'),
          lastTimestamp: time.replace(/\.\d+Z$/, 'Z'),
          count: 1,
          reportingComponent: 'tenantry-operator',
        },
      })
      .catch(() => {});
  }
}
