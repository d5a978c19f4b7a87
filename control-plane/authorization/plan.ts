import { type Condition, mergeConditions, type Verdict } from '../../crds/conditions.ts';
import { finalizers } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';

/** A registered URL in the status. */
export interface Registration {
  readonly url: string;
  readonly id: string;
}

/** The organization that was created for a tenant, in the status. */
export interface MadeOrganization {
  readonly id: string;
  readonly invitationId?: string | undefined;
}

/** The first administrator, who is invited. */
export interface Invitee {
  readonly email: string;
  /** External id of the created organization. */
  readonly externalId: string;
}

export type Plan =
  /** Nothing to do until another controller's work or a change of the tenant. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'release' }
  | { readonly kind: 'unauthorized' }
  | { readonly kind: 'claim' }
  | { readonly kind: 'organize'; readonly name: string; readonly externalId: string }
  | {
      readonly kind: 'register';
      readonly organizationId: string;
      readonly keep: readonly Registration[];
      readonly missing: readonly string[];
      readonly stale: readonly Registration[];
      readonly invite: Invitee | undefined;
    };

/**
 * Decides the next step for a tenant's organization and OAuth resources, from the Tenant alone.
 *
 * - `release`: the tenant is being deleted. Its resources are removed, then our finalizer. Its organization stays, because it has members.
 * - `unauthorized`: the tenant has no organization and needs no resources.
 * - `claim`: our finalizer is added first, so that later registrations are certain to be removed.
 * - `organize`: the organization is created, or found by its external id, and its identifier is set.
 * - `register`: `missing` URLs are registered, `stale` registrations removed, the first administrator invited, and the outcome recorded.
 *
 * @param lost recorded identifiers that no longer exist at WorkOS.
 */
export function plan(tenant: Tenant, lost: ReadonlySet<string> = new Set()): Plan {
  const held = tenant.metadata.finalizers?.includes(finalizers.authorization) ?? false;
  if (tenant.metadata.deletionTimestamp !== undefined) return { kind: held ? 'release' : 'wait' };
  const { organizationId, organization } = tenant.spec;
  if (organizationId === undefined && organization === undefined) return { kind: 'unauthorized' };
  if (!held) return { kind: 'claim' };
  if (organizationId === undefined) {
    return organization === undefined
      ? { kind: 'wait' }
      : { kind: 'organize', name: organization.name, externalId: organization.externalId };
  }
  const endpoints = tenant.status?.endpoints;
  if (endpoints === undefined) return { kind: 'wait' };
  const wanted = urlsOf(tenant);
  const recorded = registrationsOf(tenant);
  const keep = recorded.filter(({ url, id }) => wanted.includes(url) && !lost.has(id));
  return {
    kind: 'register',
    organizationId,
    keep,
    missing: wanted.filter((url) => !keep.some((one) => one.url === url)),
    stale: recorded.filter(({ url, id }) => !wanted.includes(url) && !lost.has(id)),
    invite: inviteeOf(tenant),
  };
}

/** The first administrator, unless already invited. */
function inviteeOf({ spec: { organization }, status }: Tenant): Invitee | undefined {
  const done = status?.authorization?.organization?.invitationId !== undefined;
  if (done || organization?.admin === undefined) return undefined;
  return { email: organization.admin.email, externalId: organization.externalId };
}

/** URLs of the tenant that tokens may be issued for: its own URLs and those of its verified custom domains. */
export function urlsOf(tenant: Tenant): string[] {
  const { endpoints, domains = [] } = tenant.status ?? {};
  if (endpoints === undefined) return [];
  const verified = domains.filter(({ state }) => state === 'Verified');
  const all = [endpoints, ...verified].flatMap(({ mcp, api }) => [mcp, api]).filter((url) => url !== undefined);
  return [...new Set(all)];
}

export function registrationsOf(tenant: Tenant): readonly Registration[] {
  return tenant.status?.authorization?.resources ?? [];
}

/** The part of the status that the control plane owns. */
export interface OwnStatus {
  readonly condition: Condition;
  readonly resources: readonly Registration[];
  readonly organization: MadeOrganization | undefined;
}

/** The control plane's status after a pass, or undefined when the Tenant already has it. */
export function statusToWrite(
  tenant: Tenant,
  verdict: Verdict,
  { resources, organization }: Pick<OwnStatus, 'resources' | 'organization'>,
  now: () => Date,
): OwnStatus | undefined {
  const conditions = tenant.status?.conditions ?? [];
  const [condition] = mergeConditions(conditions, [verdict], tenant.metadata.generation ?? 0, now);
  if (condition === undefined) return undefined;
  const shown = conditions.find(({ type }) => type === condition.type);
  const before = tenant.status?.authorization?.organization;
  const same =
    shown?.status === condition.status &&
    shown.reason === condition.reason &&
    shown.message === condition.message &&
    shown.observedGeneration === condition.observedGeneration &&
    before?.id === organization?.id &&
    before?.invitationId === organization?.invitationId &&
    sameRegistrations(registrationsOf(tenant), resources);
  return same ? undefined : { condition, resources, organization };
}

function sameRegistrations(a: readonly Registration[], b: readonly Registration[]): boolean {
  return a.length === b.length && a.every((one, i) => one.url === b[i]?.url && one.id === b[i]?.id);
}
