import { type Condition, mergeConditions, type Verdict } from '../../crds/conditions.ts';
import { finalizers } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';

/** A registered URL as the status records it. */
export interface Registration {
  readonly url: string;
  readonly id: string;
}

/** The organization made for a tenant as the status records it. */
export interface MadeOrganization {
  readonly id: string;
  readonly invitationId?: string | undefined;
}

/** Somebody to invite as the tenant's first administrator. */
export interface Invitee {
  readonly email: string;
  /** By which the organization that was made is recognized. */
  readonly externalId: string;
}

export type Plan =
  /** Nothing to do now: another's work, or a change of the tenant, comes first. */
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
 * What a tenant's organization and OAuth resources need next, from the Tenant alone.
 *
 * - `release`: it is being deleted, so its resources go, then our finalizer. Its organization stays: people are in it.
 * - `unauthorized`: it has no organization, so it needs none.
 * - `claim`: our finalizer goes on first, because whatever is registered after that is sure to be removed again.
 * - `organize`: the organization is made, or found by its external id, and its identifier set.
 * - `register`: `missing` URLs are registered, `stale` registrations removed, the first administrator invited, and the outcome recorded.
 *
 * @param lost identifiers that are recorded but known to be gone at WorkOS.
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

/** Who still has to be invited. */
function inviteeOf({ spec: { organization }, status }: Tenant): Invitee | undefined {
  const done = status?.authorization?.organization?.invitationId !== undefined;
  if (done || organization?.admin === undefined) return undefined;
  return { email: organization.admin.email, externalId: organization.externalId };
}

/** URLs of the tenant that tokens may be issued for: its own, and those of custom domains that are proved to be its own. */
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

/** The part of the status that is the control plane's. */
export interface OwnStatus {
  readonly condition: Condition;
  readonly resources: readonly Registration[];
  readonly organization: MadeOrganization | undefined;
}

/** The own status after a pass, or undefined when the Tenant shows it already. */
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
