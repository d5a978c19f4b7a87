import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type apiVersion, tenantNameMaxLength } from './names.ts';
import { type ObjectMeta, rules } from './schema.ts';

/** `spec` of a DomainClaim. The object's name is the host name. Names are unique in a cluster, so only one tenant can hold a host name. */
export const domainClaimSpec = z
  .strictObject({
    tenant: z.string().min(1).max(tenantNameMaxLength).describe('Name of the Tenant that proved that it owns the host name.'),
    tenantUid: z.string().min(1).max(64).describe('UID of that Tenant.'),
  })
  .describe('A custom host name that belongs to a tenant.')
  .meta(rules.cel({ rule: 'self == oldSelf', message: 'a claim is immutable' }));

/** A DomainClaim as the API server returns it. */
export interface DomainClaim {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'DomainClaim';
  readonly metadata: ObjectMeta;
  readonly spec: z.infer<typeof domainClaimSpec>;
}

/**
 * The DNS record by which a tenant proves its ownership of a host name. It is derived from the Tenant's UID, so a later namesake needs
 * another record.
 */
export function domainProof(tenantUid: string, domain: string): { readonly name: string; readonly type: 'TXT'; readonly value: string } {
  const digest = createHash('sha256').update(`${tenantUid}/${domain}`).digest('hex').slice(0, 32);
  return { name: `_tenantry-challenge.${domain}`, type: 'TXT', value: `tenantry=${digest}` };
}
