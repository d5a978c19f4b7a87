import type { KubeClient } from '../../kube/client.ts';
import { kinds, type Resource } from '../../kube/resources.ts';
import type { Settings } from '../installation/settings.ts';

/**
 * Kinds of children that are watched and pruned, in addition to the route kinds. Secrets are not included: they are created once and read
 * only when needed.
 */
export const childKinds: readonly Resource[] = [
  kinds.Namespace,
  kinds.RoleBinding,
  kinds.ServiceAccount,
  kinds.LimitRange,
  kinds.ResourceQuota,
  kinds.NetworkPolicy,
  kinds.Service,
  kinds.Job,
  kinds.Deployment,
];

/** Possible kinds of a route. If an installation changes from one to the other, the routes of the former kind are pruned. */
export const routeKinds: readonly Resource[] = [kinds.Ingress, kinds.HTTPRoute];

/** The kind of the routes of this installation. */
export const routeKind = ({ gateway }: Settings) => (gateway === undefined ? kinds.Ingress : kinds.HTTPRoute);

/**
 * The kinds of children that this cluster has. HTTPRoutes exist only if the Gateway API is installed.
 * @throws Error with the remedy when the settings need a missing kind.
 */
export async function watchedKinds(client: KubeClient, settings: Settings, signal: AbortSignal): Promise<Resource[]> {
  const served = await Promise.all(routeKinds.map(async (kind) => ((await client.serves(kind, { signal })) ? [kind] : [])));
  const watched = [...childKinds, ...served.flat()];
  if (settings.gateway !== undefined && !watched.includes(kinds.HTTPRoute)) {
    throw new Error(
      `TENANTRY_ROUTE_KIND is gateway, but this cluster does not have ${kinds.HTTPRoute.apiVersion} HTTPRoute: install the Gateway API's custom resources, or use ingress`,
    );
  }
  return watched;
}
