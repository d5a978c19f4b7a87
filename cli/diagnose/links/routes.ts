import type { KubeObject } from '../../../kube/resources.ts';

export interface Ingress extends KubeObject {
  readonly spec?: {
    readonly ingressClassName?: string;
    readonly rules?: readonly { readonly host?: string; readonly http?: { readonly paths?: readonly { readonly path?: string }[] } }[];
  };
}

interface RouteCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface HttpRoute extends KubeObject {
  readonly spec?: {
    readonly hostnames?: readonly string[];
    readonly rules?: readonly { readonly matches?: readonly { readonly path?: { readonly value?: string } }[] }[];
  };
  readonly status?: { readonly parents?: readonly { readonly conditions?: readonly RouteCondition[] }[] };
}

/** The common fields of Ingress and HTTPRoute. */
export interface Route {
  readonly kind: string;
  readonly name: string;
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  /** Why the gateway rejects the route; empty if no reason is known. An Ingress has none. */
  readonly refusals: readonly string[];
}

/**
 * Conditions that must be True. Other conditions are ignored, because for some of them False is the good state.
 * https://gateway-api.sigs.k8s.io/reference/spec/#routeconditiontype
 */
const wanted: ReadonlySet<string> = new Set(['Accepted', 'ResolvedRefs']);

export function ofIngress({ metadata, spec }: Ingress): Route {
  return {
    kind: 'Ingress',
    name: metadata.name,
    hosts: (spec?.rules ?? []).flatMap(({ host }) => host ?? []),
    paths: (spec?.rules ?? []).flatMap(({ http }) => (http?.paths ?? []).flatMap(({ path }) => path ?? [])),
    refusals: [],
  };
}

export function ofHttpRoute({ metadata, spec, status }: HttpRoute): Route {
  const parents = status?.parents ?? [];
  const refusals = parents.flatMap(({ conditions = [] }) =>
    conditions
      .filter(({ type, status: holds }) => wanted.has(type) && holds !== 'True')
      .map(({ type, reason, message }) => `${type}=False (${reason}) ${message}`),
  );
  return {
    kind: 'HTTPRoute',
    name: metadata.name,
    hosts: spec?.hostnames ?? [],
    paths: (spec?.rules ?? []).flatMap(({ matches }) => (matches ?? []).flatMap(({ path }) => path?.value ?? [])),
    refusals: parents.length === 0 ? ['no gateway has looked at it'] : refusals,
  };
}

/** Whether the route matches this URL. */
export function leadsTo({ hosts, paths }: Route, { hostname, pathname }: URL): boolean {
  return (hosts.length === 0 || hosts.includes(hostname)) && paths.includes(pathname);
}
