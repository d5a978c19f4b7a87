import { isIP } from 'node:net';
import { type Endpoints, metadataUrl, pod } from '../../crds/names.ts';
import { kinds } from '../../kube/resources.ts';
import type { GatewayReference } from '../installation/settings.ts';
import { annotated, type Child, child } from '../objects/child.ts';
import type { Blueprint } from './blueprint.ts';

interface PublicPath {
  readonly path: string;
  /** Whether the paths below it are included. */
  readonly below: boolean;
}

/**
 * The paths that lead to the sidecar. The sidecar serves them unchanged, because an Ingress cannot rewrite. No other path of the sidecar is
 * public: its metrics and probes use the same port.
 */
export function publicPaths({ mcp, api, metadata }: Endpoints): PublicPath[] {
  const exact = (url: string): PublicPath => ({ path: new URL(url).pathname, below: false });
  return [
    exact(mcp),
    exact(metadata),
    ...(api === undefined ? [] : [{ path: new URL(api).pathname, below: true }, exact(metadataUrl(api))]),
  ];
}

/** The tenant's route: an HTTPRoute if the installation has a Gateway, else an Ingress. */
export function renderRoute(blueprint: Blueprint): Child {
  return blueprint.settings.gateway === undefined ? renderIngress(blueprint) : renderHttpRoute(blueprint, blueprint.settings.gateway);
}

function renderIngress({ tenant, settings, endpoints }: Blueprint): Child {
  const { protocol } = new URL(endpoints.mcp);
  const host = hostOf(endpoints);
  const { ingressClass, ingressAnnotations } = settings;
  const ingress = child(tenant, kinds.Ingress, 'stack', {
    spec: {
      ...(ingressClass === undefined ? {} : { ingressClassName: ingressClass }),
      // Without the name of a Secret the Ingress controller uses its own certificate: one for all tenants of the domain.
      ...(protocol === 'https:' && host !== undefined ? { tls: [{ hosts: [host] }] } : {}),
      rules: [ingressRule(endpoints, host)],
    },
  });
  return annotated(ingress, ingressAnnotations);
}

/** The Ingress rule for the endpoints. It matches any host when `host` is undefined. */
export function ingressRule(endpoints: Endpoints, host: string | undefined): object {
  const backend = { service: { name: 'stack', port: { name: 'mcp' } } };
  return {
    ...(host === undefined ? {} : { host }),
    http: { paths: publicPaths(endpoints).map(({ path, below }) => ({ path, pathType: below ? 'Prefix' : 'Exact', backend })) },
  };
}

function renderHttpRoute({ tenant, endpoints }: Blueprint, gateway: GatewayReference): Child {
  return child(tenant, kinds.HTTPRoute, 'stack', { spec: httpRouteSpec(gateway, endpoints, hostOf(endpoints)) });
}

/** https://gateway-api.sigs.k8s.io/reference/spec/#httproute */
export function httpRouteSpec({ namespace, name, section }: GatewayReference, endpoints: Endpoints, host: string | undefined): object {
  return {
    parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace, name, ...(section ? { sectionName: section } : {}) }],
    ...(host === undefined ? {} : { hostnames: [host] }),
    rules: [
      {
        matches: publicPaths(endpoints).map(({ path, below }) => ({ path: { type: below ? 'PathPrefix' : 'Exact', value: path } })),
        backendRefs: [{ name: 'stack', port: pod.sidecarPort }],
      },
    ],
  };
}

/** Host of the route; undefined matches any host. A rule cannot name an IP address, and `localhost` stands for one. */
function hostOf({ mcp }: Endpoints): string | undefined {
  const { hostname } = new URL(mcp);
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || hostname === 'localhost' ? undefined : hostname;
}
