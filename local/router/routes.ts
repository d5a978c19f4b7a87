import type { KubeObject } from '../../kube/resources.ts';

/** A port of a Service by number or name. */
export interface Backend {
  readonly namespace: string;
  readonly service: string;
  readonly port: number | string;
}

interface IngressBackend {
  readonly service?: { readonly name: string; readonly port?: { readonly number?: number; readonly name?: string } };
}

export interface Ingress extends KubeObject {
  readonly spec?: {
    readonly ingressClassName?: string;
    readonly defaultBackend?: IngressBackend;
    readonly rules?: readonly {
      readonly host?: string;
      readonly http?: {
        readonly paths?: readonly { readonly path?: string; readonly pathType: string; readonly backend: IngressBackend }[];
      };
    }[];
  };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly hostname?: string }[] } };
}

interface HostRoutes {
  readonly exact: Map<string, Backend>;
  /** Keys are paths without a trailing slash. The root is the empty string. */
  readonly prefix: Map<string, Backend>;
}

const legacyClassAnnotation = 'kubernetes.io/ingress.class';

/** Tells whether this router serves an Ingress: one of its class, or one without a class. */
export function isOurs(ingress: Ingress, className: string): boolean {
  const wanted = ingress.spec?.ingressClassName ?? ingress.metadata.annotations?.[legacyClassAnnotation];
  return wanted === undefined || wanted === className;
}

/**
 * Routes requests by Kubernetes' rules: the most specific host first, then the longest path, and Exact before Prefix. Prefixes match whole
 * path elements. When two Ingresses claim the same path, the older one gets it.
 * https://kubernetes.io/docs/concepts/services-networking/ingress/#path-types
 */
export class Routes {
  readonly #hosts = new Map<string, HostRoutes>();
  #fallback: Backend | undefined;

  constructor(ingresses: readonly Ingress[]) {
    for (const ingress of [...ingresses].sort(byAge)) this.#add(ingress);
  }

  /** `host` is the unchanged Host header, and `path` is the request's path without the query. */
  match(host: string | undefined, path: string): Backend | undefined {
    for (const candidate of hostsOf(host)) {
      const routes = this.#hosts.get(candidate);
      const found = routes && matchPath(routes, path);
      if (found !== undefined) return found;
    }
    return this.#fallback;
  }

  #add(ingress: Ingress): void {
    const namespace = ingress.metadata.namespace ?? '';
    this.#fallback ??= backendOf(namespace, ingress.spec?.defaultBackend);
    for (const rule of ingress.spec?.rules ?? []) {
      const host = (rule.host ?? '').toLowerCase();
      let routes = this.#hosts.get(host);
      if (routes === undefined) {
        routes = { exact: new Map(), prefix: new Map() };
        this.#hosts.set(host, routes);
      }
      for (const { path = '/', pathType, backend: target } of rule.http?.paths ?? []) {
        const backend = backendOf(namespace, target);
        if (backend === undefined) continue;
        const [map, key] = pathType === 'Exact' ? [routes.exact, path] : [routes.prefix, path.replace(/\/+$/, '')];
        if (!map.has(key)) map.set(key, backend);
      }
    }
  }
}

function matchPath(routes: HostRoutes, path: string): Backend | undefined {
  // An Exact path is at least as long as any prefix of it, so it wins.
  const exact = routes.exact.get(path);
  if (exact !== undefined) return exact;
  for (let prefix = path.replace(/\/+$/, ''); ; prefix = prefix.slice(0, prefix.lastIndexOf('/'))) {
    const found = routes.prefix.get(prefix);
    if (found !== undefined || prefix === '') return found;
  }
}

/** Returns the hosts whose rules apply, most specific first: the host itself, the wildcard for its first label, and any host. */
function hostsOf(host: string | undefined): string[] {
  const name = (host ?? '')
    .toLowerCase()
    .replace(/:[0-9]+$/, '')
    .replace(/\.$/, '');
  const dot = name.indexOf('.');
  return name === '' ? [''] : [name, ...(dot > 0 ? [`*${name.slice(dot)}`] : []), ''];
}

function backendOf(namespace: string, backend: IngressBackend | undefined): Backend | undefined {
  const port = backend?.service?.port?.number ?? backend?.service?.port?.name;
  return backend?.service === undefined || port === undefined ? undefined : { namespace, service: backend.service.name, port };
}

function byAge(a: Ingress, b: Ingress): number {
  const key = ({ metadata }: Ingress) => `${metadata.creationTimestamp ?? ''} ${metadata.namespace ?? ''}/${metadata.name}`;
  return key(a) < key(b) ? -1 : 1;
}
