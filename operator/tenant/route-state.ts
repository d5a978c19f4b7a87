import type { KubeObject } from '../../kube/resources.ts';
import type { Settings } from '../installation/settings.ts';

/** State of a tenant's route. An Ingress does not report its state; the Gateway accepts or refuses an HTTPRoute. */
export type RouteState = 'routed' | { readonly waiting: string } | { readonly refused: string };

interface RouteCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
}

interface HttpRoute extends KubeObject {
  readonly status?: {
    readonly parents?: readonly {
      readonly parentRef: { readonly namespace?: string; readonly name: string };
      readonly conditions?: readonly RouteCondition[];
    }[];
  };
}

/** Reason why a route does not lead to the tenant, as a sentence; undefined if it does, or if it does not exist yet. */
export function routeProblem(route: RouteState | undefined): string | undefined {
  if (typeof route !== 'object') return undefined;
  return 'refused' in route ? route.refused : route.waiting;
}

/** https://gateway-api.sigs.k8s.io/reference/spec/#routeparentstatus */
export function routeState(route: KubeObject | undefined, { gateway }: Settings): RouteState | undefined {
  if (route === undefined) return undefined;
  if (gateway === undefined) return 'routed';
  const name = `${gateway.namespace}/${gateway.name}${gateway.section === undefined ? '' : `, listener ${gateway.section}`}`;
  const { parents = [] } = (route as HttpRoute).status ?? {};
  const conditions = parents
    .filter(({ parentRef }) => parentRef.name === gateway.name && parentRef.namespace === gateway.namespace)
    .flatMap((parent) => parent.conditions ?? [])
    // Conditions of an older generation of the route do not apply to this one.
    .filter(({ observedGeneration }) => (observedGeneration ?? Number.POSITIVE_INFINITY) >= (route.metadata.generation ?? 0));
  const refusal = conditions.find(({ type, status }) => ['Accepted', 'ResolvedRefs'].includes(type) && status === 'False');
  if (refusal) {
    const why = [refusal.reason ?? refusal.type, refusal.message].filter(Boolean).join(': ');
    return { refused: `Gateway ${name} does not accept the route (${why}). Correct the Gateway, or the installation's routing.gateway.` };
  }
  if (conditions.some(({ type, status }) => type === 'Accepted' && status === 'True')) return 'routed';
  return {
    waiting: `Gateway ${name} has not accepted the route yet. Does it exist, and does its controller run? The installation's routing.gateway names it.`,
  };
}
