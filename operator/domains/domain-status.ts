import { type DomainClaim, domainProof } from '../../crds/domains.ts';
import type { Addressing } from '../../crds/names.ts';
import type { Tenant, TenantStatus } from '../../crds/tenant.ts';
import { endpointsAt, isInstallations, originOf } from '../installation/domain-endpoints.ts';
import type { Proof } from './proof.ts';

export type DomainStatus = NonNullable<TenantStatus['domains']>[number];

export interface KnownDomains {
  readonly claim: (domain: string) => DomainClaim | undefined;
  readonly proof: (tenantUid: string, domain: string) => Proof | undefined;
}

/** Reason why the route of a verified domain does not lead to the tenant yet; undefined if it does, or if it is being created. */
export type RouteProblemOf = (domain: string) => string | undefined;

/** State of each custom domain of a tenant. Pure. */
export function domainsOf(
  tenant: Tenant,
  known: KnownDomains,
  addressing: Addressing,
  publishApi: boolean,
  routeProblemOf: RouteProblemOf,
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
      return {
        domain,
        state: 'Verified',
        record,
        mcp,
        ...(api === undefined ? {} : { api }),
        message: verifiedMessage(routeProblemOf(domain)),
      };
    }
    const before = tenant.status?.domains?.find((entry) => entry.domain === domain && entry.state === 'Pending');
    const proof = known.proof(uid, domain);
    // After a restart the former message stays until the first look-up.
    return { domain, state: 'Pending', record, message: proof === undefined && before ? before.message : pendingMessage(proof) };
  });
}

function verifiedMessage(routeProblem: string | undefined): string {
  if (routeProblem === undefined) return 'The domain is verified and routed to the tenant.';
  return `The domain is verified. ${routeProblem}`.slice(0, 1024);
}

function pendingMessage(proof: Proof | undefined): string {
  const ask = 'Enter the TXT record at your DNS provider; it is looked up every half minute, later every ten minutes.';
  if (proof === undefined || proof === 'proved') return ask;
  if (proof === 'missing') return `There is no such record yet. ${ask}`;
  if (proof === 'other') return `The record is there with another value. ${ask}`;
  return `The DNS did not answer (${proof.unanswered}). ${ask}`;
}
