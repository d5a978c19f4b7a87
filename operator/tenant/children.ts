import { labels, tenantOfNamespace } from '../../crds/names.ts';
import type { ObjectMeta } from '../../crds/schema.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { isOlder, type KubeObject, keyOf, kinds, type Resource } from '../../kube/resources.ts';
import type { Live } from './plan.ts';
import type { PodObject } from './workload-state.ts';

const selector = `${labels.managedBy}=tenantry`;

/** Watches all objects that the operator created, and knows the tenant of each object. */
export class Children {
  readonly #byTenant = new Map<string, Map<string, Live>>();
  readonly #pods = new Map<string, Map<string, PodObject>>();
  /**
   * UIDs of objects whose deletion the watch has reported. The answer to a write may arrive after the deletion of the object it created.
   */
  readonly #gone = new Set<string>();
  readonly #reflectors: Reflector<KubeObject>[];

  /** `watched` are the kinds of children that this cluster has. */
  constructor(
    client: KubeClient,
    watched: readonly Resource[],
    onChange: (tenant: string) => void,
    onError: (kind: string, error: unknown) => void,
  ) {
    const watch = <T extends KubeObject>(
      resource: Resource,
      store: (tenant: string, key: string, object: T | undefined) => void,
      transform: (o: T) => T,
    ) =>
      new Reflector<T>({
        client,
        resource,
        labelSelector: selector,
        transform,
        onError: (error) => onError(resource.kind, error),
        onChange: (key, current, previous) => {
          const tenant = tenantOf(current ?? previous);
          if (tenant === undefined) return;
          store(tenant, key, current);
          if (current === undefined && previous?.metadata.uid !== undefined) this.#bury(previous.metadata.uid);
          onChange(tenant);
        },
      });
    this.#reflectors = [
      ...watched.map((resource) =>
        watch<KubeObject>(
          resource,
          (tenant, key, object) => put(this.#byTenant, tenant, `${resource.kind}/${key}`, object && { resource, object }, ofLive),
          slim,
        ),
      ),
      watch<PodObject>(
        kinds.Pod,
        (tenant, key, object) => put(this.#pods, tenant, key, object, (pod) => pod.metadata),
        slimPod,
      ) as Reflector<KubeObject>,
    ];
  }

  /** Resolves once all kinds are listed. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.start(signal)));
  }

  get synced(): boolean {
    return this.#reflectors.every((reflector) => reflector.synced);
  }

  of(tenant: string): Live[] {
    return [...(this.#byTenant.get(tenant)?.values() ?? [])];
  }

  find(tenant: string, resource: Resource, namespace: string | undefined, name: string): KubeObject | undefined {
    const key = keyOf({ metadata: namespace === undefined ? { name } : { name, namespace } });
    return this.#byTenant.get(tenant)?.get(`${resource.kind}/${key}`)?.object;
  }

  podsOf(tenant: string): PodObject[] {
    return [...(this.#pods.get(tenant)?.values() ?? [])];
  }

  /** Stores the object that a write returned, so that the next pass does not act on an older state from the watch. */
  learn(tenant: string, resource: Resource, object: KubeObject): void {
    if (this.#gone.has(object.metadata.uid ?? '')) return;
    put(this.#byTenant, tenant, `${resource.kind}/${keyOf(object)}`, { resource, object: slim(object) }, ofLive);
  }

  #bury(uid: string): void {
    this.#gone.add(uid);
    // Answers arrive within seconds, so the oldest UID can be forgotten.
    const [oldest] = this.#gone;
    if (this.#gone.size > 10_000 && oldest !== undefined) this.#gone.delete(oldest);
  }
}

/** Finds the tenant by namespace, not by label, so that a removed label is noticed too. */
function tenantOf(object: KubeObject | undefined): string | undefined {
  return object && tenantOfNamespace(object.metadata.namespace ?? object.metadata.name);
}

const ofLive = (live: Live): ObjectMeta => live.object.metadata;

function put<V>(
  store: Map<string, Map<string, V>>,
  tenant: string,
  key: string,
  value: V | undefined,
  metadata: (value: V) => ObjectMeta,
): void {
  const entries = store.get(tenant) ?? new Map<string, V>();
  const known = entries.get(key);
  if (value === undefined) entries.delete(key);
  // The watch may still report a state older than a write whose answer is already known.
  else if (known === undefined || !isOlder(metadata(value), metadata(known))) entries.set(key, value);
  if (entries.size === 0) store.delete(tenant);
  else store.set(tenant, entries);
}

function slim<T extends KubeObject>(object: T): T {
  const { managedFields: _managed, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Keeps only the parts of a pod that show why it does not start, its address, and the Secrets and revision it was made with. */
function slimPod(pod: PodObject): PodObject {
  const { phase, podIP, conditions, containerStatuses, initContainerStatuses } = pod.status ?? {};
  const { name, namespace, uid, resourceVersion, labels: own, annotations, creationTimestamp, deletionTimestamp } = pod.metadata;
  return {
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      ...(uid ? { uid } : {}),
      ...(resourceVersion ? { resourceVersion } : {}),
      ...(own ? { labels: own } : {}),
      ...(annotations ? { annotations } : {}),
      ...(creationTimestamp ? { creationTimestamp } : {}),
      ...(deletionTimestamp ? { deletionTimestamp } : {}),
    },
    status: {
      ...(phase ? { phase } : {}),
      ...(podIP ? { podIP } : {}),
      ...(conditions ? { conditions: conditions.filter(({ type }) => type === 'PodScheduled') } : {}),
      ...(containerStatuses ? { containerStatuses } : {}),
      ...(initContainerStatuses ? { initContainerStatuses } : {}),
    },
  };
}
