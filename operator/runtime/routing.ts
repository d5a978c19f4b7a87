import type { KubeClient } from '../../kube/client.ts';
import { kinds, type Resource } from '../../kube/resources.ts';
import type { Settings } from '../settings.ts';
import { childKinds, routeKinds } from '../tenant/plan.ts';

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
