import { type Addressing, endpointsOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { registrationsOf, urlsOf } from '../authorization/plan.ts';

/** Who asks for a tenant, by a token whose signature has been checked. */
export interface Caller {
  readonly userId: string;
  /** The organization the token is for; undefined for any. */
  readonly organizationId: string | undefined;
  /** URLs the token was issued for; undefined for a session token, which is for no URL. */
  readonly audiences: readonly string[] | undefined;
}

/** A tenant as its user sees it. */
export interface Entry {
  readonly name: string;
  readonly displayName: string;
  readonly organizationId?: string;
  /** URL that LLM clients connect to. */
  readonly mcp: string;
  /** The user's role there; left out where the user is no member. */
  readonly role?: string;
}

export type Scope = 'foreign' | { readonly tenants: readonly Tenant[] };

/**
 * Tenants a token may speak of. One issued for the control plane's own URL, and a session token, speak of all; one issued for a tenant's
 * URL of that tenant alone, because that tenant's server has seen it and must learn of no other. `foreign`: it was issued for none of ours.
 */
export function scopeOf({ audiences }: Caller, tenants: readonly Tenant[], ownUrl: string | undefined): Scope {
  const present = tenants.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  if (audiences === undefined || (ownUrl !== undefined && audiences.includes(ownUrl))) return { tenants: present };
  const own = present.filter((tenant) => {
    const registered = new Set(registrationsOf(tenant).map(({ url }) => url));
    return urlsOf(tenant).some((url) => registered.has(url) && audiences.includes(url));
  });
  return own.length === 0 ? 'foreign' : { tenants: own };
}

/** Organizations whose members the caller's tenants may be, as far as the token speaks of them. */
export function organizationsOf({ organizationId }: Caller, tenants: readonly Tenant[]): string[] {
  const all = new Set(tenants.flatMap(({ spec }) => spec.organizationId ?? []));
  return [...all].filter((id) => organizationId === undefined || id === organizationId);
}

/** Which of `tenants` are the caller's, by name. `roles` are the roles of the user by organization. */
export function entriesOf(
  { organizationId }: Caller,
  tenants: readonly Tenant[],
  roles: ReadonlyMap<string, string>,
  addressing: Addressing,
): Entry[] {
  return tenants
    .filter(({ spec }) => organizationId === undefined || spec.organizationId === organizationId)
    .flatMap((tenant) => {
      const role = tenant.spec.organizationId === undefined ? undefined : roles.get(tenant.spec.organizationId);
      return role === undefined ? [] : [entryOf(tenant, role, addressing)];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function entryOf({ metadata: { name }, spec, status }: Tenant, role: string | undefined, addressing: Addressing): Entry {
  return {
    name,
    displayName: spec.displayName ?? name,
    ...(spec.organizationId === undefined ? {} : { organizationId: spec.organizationId }),
    mcp: status?.endpoints?.mcp ?? endpointsOf(name, addressing, false).mcp,
    ...(role === undefined ? {} : { role }),
  };
}
