import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { Settings } from '../settings.ts';

/** How far a tenant's route is: an Ingress says nothing of itself, an HTTPRoute is accepted or refused by the Gateway. */
export type RouteState = 'routed' | 'waiting' | { readonly refused: string };

interface HttpRoute extends KubeObject {
  readonly status?: {
    readonly parents?: readonly {
      readonly parentRef: { readonly namespace?: string; readonly name: string };
      readonly conditions?: readonly {
        readonly type: string;
        readonly status: string;
        readonly reason?: string;
        readonly message?: string;
      }[];
    }[];
  };
}

export const routeKind = ({ gateway }: Settings) => (gateway === undefined ? kinds.Ingress : kinds.HTTPRoute);

/** https://gateway-api.sigs.k8s.io/reference/spec/#routeparentstatus */
export function routeState(route: KubeObject | undefined, { gateway }: Settings): RouteState | undefined {
  if (route === undefined) return undefined;
  if (gateway === undefined) return 'routed';
  const { parents = [] } = (route as HttpRoute).status ?? {};
  const ours = parents.filter(({ parentRef }) => parentRef.name === gateway.name && parentRef.namespace === gateway.namespace);
  const conditions = ours.flatMap((parent) => parent.conditions ?? []);
  const refusal = conditions.find(({ type, status }) => ['Accepted', 'ResolvedRefs'].includes(type) && status === 'False');
  if (refusal) return { refused: `${refusal.reason ?? refusal.type}: ${refusal.message || 'no details'}` };
  return conditions.some(({ type, status }) => type === 'Accepted' && status === 'True') ? 'routed' : 'waiting';
}
