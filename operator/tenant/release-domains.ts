import { finalizers, namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { kinds } from '../../kube/resources.ts';
import { routeKinds } from '../objects/kinds.ts';
import { domainRouteName } from '../render/domain-route.ts';
import type { Context } from './context.ts';

/**
 * Releases the domains that a tenant has claimed and no longer names; all of them when it is being deleted. The route is deleted first.
 * Then the control plane removes the registration of the URLs as OAuth resources. Otherwise the next tenant of the domain would meet the
 * old route, and would lose its own registration when the old one is removed.
 * @returns the domains that wait for the control plane.
 */
export async function releaseDomains(tenant: Tenant, { client, children, domains, log }: Context, signal: AbortSignal): Promise<string[]> {
  const { name, uid = '', deletionTimestamp } = tenant.metadata;
  const namespace = namespaceOf(name);
  const waiting: string[] = [];
  for (const { metadata } of domains.claimsOf(uid)) {
    const domain = metadata.name;
    if (deletionTimestamp === undefined && tenant.spec.domains?.includes(domain)) continue;
    for (const kind of routeKinds) {
      const route = domainRouteName(domain);
      if (children.find(name, kind, namespace, route)) await client.delete(kind, route, { namespace, signal });
    }
    if (isRegistered(tenant, domain)) {
      waiting.push(domain);
      continue;
    }
    await client.delete(kinds.DomainClaim, domain, { ...(metadata.uid ? { uid: metadata.uid } : {}), signal });
    log.info({ tenant: name, domain }, 'domain released');
  }
  return waiting;
}

/**
 * Whether a URL of the domain is recorded as an OAuth resource of the tenant. Always false once the control plane has removed its finalizer
 * from a deleted tenant.
 */
function isRegistered({ metadata, status }: Tenant, domain: string): boolean {
  if (metadata.deletionTimestamp !== undefined && !metadata.finalizers?.includes(finalizers.authorization)) return false;
  return status?.authorization?.resources?.some(({ url }) => URL.parse(url)?.hostname === domain) ?? false;
}
