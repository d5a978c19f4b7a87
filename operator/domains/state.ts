import { type DomainClaim, domainProof } from '../../crds/domains.ts';
import type { Addressing } from '../../crds/names.ts';
import type { Tenant, TenantStatus } from '../../crds/tenant.ts';
import type { RouteState } from '../tenant/route.ts';
import { endpointsAt, isInstallations, originOf } from './addressing.ts';
import type { Proof } from './proof.ts';

export type DomainStatus = NonNullable<TenantStatus['domains']>[number];

export interface KnownDomains {
  readonly claim: (domain: string) => DomainClaim | undefined;
  readonly proof: (tenantUid: string, domain: string) => Proof | undefined;
}

/** State of the route of a domain. */
export type RouteOf = (domain: string) => RouteState | undefined;

/** State of each custom domain of a tenant. Pure. */
export function domainsOf(
  tenant: Tenant,
  known: KnownDomains,
  addressing: Addressing,
  publishApi: boolean,
  routeOf: RouteOf,
): DomainStatus[] {
  const { uid = '' } = tenant.metadata;
  return (tenant.spec.domains ?? []).map((domain) => {
    const record = domainProof(uid, domain);
    const claim = known.claim(domain);
    if (isInstallations(domain, addressing)) {
      const message = "The host is this installation's own, or below it. Remove it from spec.domains, and choose one of your own.";
      return { domain, state: 'Conflict', record, message };
    }
    if (claim && claim.spec.tenantUid !== uid) {
      const message = 'Another tenant has this domain. It has to be removed there before it can be verified here.';
      return { domain, state: 'Conflict', record, message };
    }
    if (claim) {
      const { mcp, api } = endpointsAt(originOf(domain, addressing), publishApi);
      return { domain, state: 'Verified', record, mcp, ...(api === undefined ? {} : { api }), message: routed(routeOf(domain)) };
    }
    const before = tenant.status?.domains?.find((entry) => entry.domain === domain && entry.state === 'Pending');
    const proof = known.proof(uid, domain);
    // After a restart the former message stays until the first look-up.
    return { domain, state: 'Pending', record, message: proof === undefined && before ? before.message : pending(proof) };
  });
}

function routed(route: RouteState | undefined): string {
  if (typeof route !== 'object') return 'The domain is verified and routed to the tenant.';
  return `The domain is verified. ${'refused' in route ? route.refused : route.waiting}`.slice(0, 1024);
}

function pending(proof: Proof | undefined): string {
  const ask = 'Enter the TXT record at your DNS provider; it is looked up every half minute, later every ten minutes.';
  if (proof === undefined || proof === 'proved') return ask;
  if (proof === 'missing') return `There is no such record yet. ${ask}`;
  if (proof === 'other') return `The record is there with another value. ${ask}`;
  return `The DNS did not answer (${proof.unanswered}). ${ask}`;
}
