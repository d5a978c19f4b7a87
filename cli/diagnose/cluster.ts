import { KubeConfig } from '@kubernetes/client-node';
import { annotations, namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds, pathOf, type Resource } from '../../kube/resources.ts';
import { Transport } from '../../kube/transport.ts';
import type { KnownTenant } from './scene.ts';

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode: number; readonly message?: string };
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

export interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

export interface Event extends KubeObject {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly count?: number;
  readonly lastTimestamp?: string;
  readonly eventTime?: string;
  readonly involvedObject?: { readonly kind?: string; readonly name?: string };
}

const timeoutMs = 10_000;

/** Read-only view of a tenant's cluster through a kubeconfig. Every failure is a KubeError. */
export class Cluster {
  /** URL of the API server, for messages. */
  readonly server: string;
  readonly client: KubeClient;
  readonly #transport: Transport;
  readonly #signal: AbortSignal;

  private constructor(config: KubeConfig, signal: AbortSignal) {
    this.server = config.getCurrentCluster()?.server ?? 'no server';
    this.#transport = new Transport(config, { userAgent: 'tenantry-cli' });
    this.client = new KubeClient(this.#transport);
    this.#signal = signal;
  }

  /** @param kubeconfig path; if undefined, the ServiceAccount of the pod is used. @throws Error if it cannot be loaded. */
  static open(kubeconfig: string | undefined, signal: AbortSignal): Cluster {
    const config = new KubeConfig();
    if (kubeconfig === undefined) config.loadFromCluster();
    else config.loadFromFile(kubeconfig);
    return new Cluster(config, signal);
  }

  /** A signal with a timeout, for one request. */
  get deadline(): AbortSignal {
    return AbortSignal.any([this.#signal, AbortSignal.timeout(timeoutMs)]);
  }

  /** Whether Tenantry's kinds are installed. */
  serves(): Promise<boolean> {
    return this.#timed((signal) => this.client.serves(kinds.Tenant, { signal }));
  }

  async tenant(name: string): Promise<KnownTenant | undefined> {
    const tenant = await this.find<Tenant>(kinds.Tenant, name);
    return tenant && known(tenant);
  }

  /** The tenant with this MCP URL. */
  async tenantAt(url: string): Promise<KnownTenant | undefined> {
    const { items } = await this.#timed((signal) => this.client.listAll<Tenant>(kinds.Tenant, { signal }));
    const tenant = items.find(({ status }) => status?.endpoints?.mcp === url || status?.domains?.some((domain) => domain.mcp === url));
    return tenant && known(tenant);
  }

  find<T extends KubeObject>(resource: Resource, name: string, tenant?: string): Promise<T | undefined> {
    const namespace = tenant === undefined ? undefined : namespaceOf(tenant);
    return this.#timed((signal) => this.client.find<T>(resource, name, { namespace, signal }));
  }

  /** At most 500 objects of the tenant's namespace or of the cluster; empty if the cluster does not have the kind. */
  async list<T extends KubeObject>(
    resource: Resource,
    tenant?: string,
    options: { labelSelector?: string; fieldSelector?: string; metadataOnly?: boolean } = {},
  ): Promise<T[]> {
    const namespace = tenant === undefined ? undefined : namespaceOf(tenant);
    try {
      return (await this.#timed((signal) => this.client.list<T>(resource, { ...options, namespace, limit: 500, signal }))).items;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return [];
      throw error;
    }
  }

  /** Namespace of the operator; undefined if unknown, as in local mode, where the operator is not a pod. */
  async installationNamespace(): Promise<string | undefined> {
    const labelSelector = 'app.kubernetes.io/name=tenantry,app.kubernetes.io/component=operator';
    try {
      return (await this.list<KubeObject>(kinds.Deployment, undefined, { labelSelector, metadataOnly: true }))[0]?.metadata.namespace;
    } catch (error) {
      if (error instanceof KubeError) return undefined;
      throw error;
    }
  }

  pods(tenant: string): Promise<Pod[]> {
    return this.list<Pod>(kinds.Pod, tenant, { labelSelector: 'app.kubernetes.io/component=stack' });
  }

  /** Events of the tenant, oldest first. */
  async events(tenant: string): Promise<Event[]> {
    const [within, about] = await Promise.all([
      this.list<Event>(kinds.Event, tenant),
      this.client
        .list<Event>(kinds.Event, {
          fieldSelector: `involvedObject.kind=Tenant,involvedObject.name=${tenant}`,
          limit: 500,
          signal: this.deadline,
        })
        .then(
          ({ items }) => items,
          (error: unknown) => {
            if (error instanceof KubeError && error.status === 403) return [];
            throw error;
          },
        ),
    ]);
    return [...within, ...about].sort((a, b) => timeOf(a).localeCompare(timeOf(b)));
  }

  /** The last lines of a container's log; empty if the container has no log. */
  async log(
    tenant: string,
    pod: string,
    container: string,
    options: { readonly lines: number; readonly previous?: boolean },
  ): Promise<string> {
    const query = { container, tailLines: options.lines, limitBytes: 1 << 20, previous: options.previous === true ? true : undefined };
    try {
      return await this.#timed(async (signal) => {
        const path = pathOf(kinds.Pod, namespaceOf(tenant), pod, 'log');
        return (await this.#transport.stream({ method: 'GET', path, query, accept: '*/*', signal })).text();
      });
    } catch (error) {
      // A container that has not started or has no previous run has no log.
      if (error instanceof KubeError && (error.status === 400 || error.status === 404)) return '';
      throw error;
    }
  }

  close(): Promise<void> {
    return this.client.close();
  }

  async #timed<T>(request: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = this.deadline;
    try {
      return await request(signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (signal.aborted) throw KubeError.unreachable(`no answer within ${timeoutMs / 1000} s`, error);
      throw error;
    }
  }
}

export const timeOf = (event: Event): string => event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? '';

function known({ metadata, spec, status }: Tenant): KnownTenant {
  return {
    name: metadata.name,
    source: 'cluster',
    generation: metadata.generation,
    createdAt: metadata.creationTimestamp,
    deletedAt: metadata.deletionTimestamp,
    paused: metadata.annotations?.[annotations.reconcile] === 'paused',
    spec,
    status: status ?? {},
  };
}
