import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';

/** A Kubernetes Event about a tenant. */
export interface TenantEvent {
  /** Changes with every repetition. */
  readonly version: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  /** RFC 3339. */
  readonly lastSeenAt: string;
  readonly source: string;
}

/** An Event as the API server returns it: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
interface EventObject extends KubeObject {
  readonly involvedObject: { readonly uid?: string };
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly count?: number;
  readonly firstTimestamp?: string | null;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string };
  readonly source?: { readonly component?: string };
  readonly reportingComponent?: string;
}

const mostOfOne = 50;

/** A local copy of the Events about Tenants. Kubernetes keeps them for an hour. */
export class TenantEvents {
  readonly #reflector: Reflector<EventObject>;
  /** Events by the UID of their tenant, then by key. */
  readonly #byTenant = new Map<string, Map<string, EventObject>>();

  constructor({ client, onError }: { readonly client: KubeClient; readonly onError: (error: unknown) => void }) {
    this.#reflector = new Reflector<EventObject>({
      client,
      resource: kinds.Event,
      // Kubernetes puts Events about objects without a namespace here.
      namespace: 'default',
      fieldSelector: 'involvedObject.kind=Tenant',
      onChange: (key, current, previous) => this.#changed(key, current, previous),
      onError,
    });
  }

  /** Updates the copy until `signal` aborts. Events are hints, so requests do not wait for the copy. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#reflector.start(signal);
  }

  /** Events about the tenant, latest first. */
  of({ metadata }: Tenant): TenantEvent[] {
    const all = [...(this.#byTenant.get(metadata.uid ?? '')?.values() ?? [])].map(eventOf);
    return all.sort((a, b) => (a.lastSeenAt < b.lastSeenAt ? 1 : a.lastSeenAt > b.lastSeenAt ? -1 : 0)).slice(0, mostOfOne);
  }

  #changed(key: string, current: EventObject | undefined, previous: EventObject | undefined): void {
    const uid = (current ?? previous)?.involvedObject.uid ?? '';
    const events = this.#byTenant.get(uid) ?? new Map<string, EventObject>();
    if (current === undefined) events.delete(key);
    else events.set(key, current);
    if (events.size === 0) this.#byTenant.delete(uid);
    else this.#byTenant.set(uid, events);
  }
}

function eventOf(event: EventObject): TenantEvent {
  const { metadata, series } = event;
  return {
    version: `${metadata.uid ?? ''}/${metadata.resourceVersion ?? ''}`,
    type: event.type ?? 'Normal',
    reason: event.reason ?? '',
    message: event.message ?? '',
    count: series?.count ?? event.count ?? 1,
    lastSeenAt:
      series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? metadata.creationTimestamp ?? '',
    source: event.reportingComponent || event.source?.component || '',
  };
}
