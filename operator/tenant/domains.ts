import { namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { kinds } from '../../kube/resources.ts';
import { domainRouteName } from '../render/domain-route.ts';
import type { Context } from './context.ts';
import { routeKinds } from './plan.ts';

/**
 * Gives up the domains a tenant has claimed and does not name any more; all of them with `deleted`. The route goes first: another tenant that
 * gets the domain would meet it.
 */
export async function releaseDomains(
  tenant: Tenant,
  { client, children, domains, log }: Context,
  signal: AbortSignal,
  deleted = false,
): Promise<void> {
  const { name, uid = '' } = tenant.metadata;
  const namespace = namespaceOf(name);
  for (const { metadata } of domains.claimsOf(uid)) {
    const domain = metadata.name;
    if (!deleted && tenant.spec.domains?.includes(domain)) continue;
    for (const kind of routeKinds) {
      const route = domainRouteName(domain);
      if (children.find(name, kind, namespace, route)) await client.delete(kind, route, { namespace, signal });
    }
    await client.delete(kinds.DomainClaim, domain, { ...(metadata.uid ? { uid: metadata.uid } : {}), signal });
    log.info({ tenant: name, domain }, 'domain released');
  }
}
