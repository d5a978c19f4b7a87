import { type Condition, mergeConditions, type Verdict } from '../../crds/conditions.ts';
import { finalizers } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';

/** A registered URL as the status records it. */
export interface Registration {
  readonly url: string;
  readonly id: string;
}

export type Plan =
  /** Nothing to do now: another's work, or a change of the tenant, comes first. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'release' }
  | { readonly kind: 'unauthorized' }
  | { readonly kind: 'claim' }
  | {
      readonly kind: 'register';
      readonly organizationId: string;
      readonly keep: readonly Registration[];
      readonly missing: readonly string[];
      readonly stale: readonly Registration[];
    };

/**
 * What a tenant's OAuth resources need next, from the Tenant alone.
 *
 * - `release`: it is being deleted, so its resources go, then our finalizer.
 * - `unauthorized`: it has no organization, so it needs none.
 * - `claim`: our finalizer goes on first, because whatever is registered after that is sure to be removed again.
 * - `register`: `missing` URLs are registered, `stale` registrations removed, and the outcome recorded.
 *
 * @param lost identifiers that are recorded but known to be gone at WorkOS.
 */
export function plan(tenant: Tenant, lost: ReadonlySet<string> = new Set()): Plan {
  const held = tenant.metadata.finalizers?.includes(finalizers.authorization) ?? false;
  if (tenant.metadata.deletionTimestamp !== undefined) return { kind: held ? 'release' : 'wait' };
  const { organizationId } = tenant.spec;
  if (organizationId === undefined) return { kind: 'unauthorized' };
  if (!held) return { kind: 'claim' };
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
  };
}

/** URLs of the tenant that tokens may be issued for. */
export function urlsOf(tenant: Tenant): string[] {
  const endpoints = tenant.status?.endpoints;
  return endpoints === undefined ? [] : [endpoints.mcp, ...(endpoints.api === undefined ? [] : [endpoints.api])];
}

export function registrationsOf(tenant: Tenant): readonly Registration[] {
  return tenant.status?.authorization?.resources ?? [];
}

/** The part of the status that is the control plane's. */
export interface OwnStatus {
  readonly condition: Condition;
  readonly resources: readonly Registration[];
}

/** The own status after a pass, or undefined when the Tenant shows it already. */
export function statusToWrite(
  tenant: Tenant,
  verdict: Verdict,
  resources: readonly Registration[],
  now: () => Date,
): OwnStatus | undefined {
  const conditions = tenant.status?.conditions ?? [];
  const [condition] = mergeConditions(conditions, [verdict], tenant.metadata.generation ?? 0, now);
  if (condition === undefined) return undefined;
  const shown = conditions.find(({ type }) => type === condition.type);
  const same =
    shown?.status === condition.status &&
    shown.reason === condition.reason &&
    shown.message === condition.message &&
    shown.observedGeneration === condition.observedGeneration &&
    sameRegistrations(registrationsOf(tenant), resources);
  return same ? undefined : { condition, resources };
}

function sameRegistrations(a: readonly Registration[], b: readonly Registration[]): boolean {
  return a.length === b.length && a.every((one, i) => one.url === b[i]?.url && one.id === b[i]?.id);
}
