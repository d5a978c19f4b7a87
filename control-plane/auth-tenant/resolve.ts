import { type Addressing, endpointsOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { registrationsOf, urlsOf } from '../authorization/plan.ts';

/** The caller, from a token whose signature has been checked. */
export interface Caller {
  readonly userId: string;
  /** Organization of the token; undefined for any. */
  readonly organizationId: string | undefined;
  /** URLs that the token was issued for; undefined for a session token. */
  readonly audiences: readonly string[] | undefined;
}

/** A tenant in the answer to its user. */
export interface Entry {
  readonly name: string;
  readonly displayName: string;
  readonly organizationId?: string;
  /** URL that LLM clients connect to. */
  readonly mcp: string;
  /** The user's role; absent when the user is not a member. */
  readonly role?: string;
}

export type Scope = 'foreign' | { readonly tenants: readonly Tenant[] };

/**
 * Tenants that a token gives information about. A session token, or a token for the control plane's own URL, covers all tenants. A token for
 * a tenant's URL covers that tenant alone: the tenant's server has the token and must not learn about other tenants. `foreign` means that
 * the token was issued for a URL outside this installation.
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

/** Organizations of the tenants that the token covers. */
export function organizationsOf({ organizationId }: Caller, tenants: readonly Tenant[]): string[] {
  const all = new Set(tenants.flatMap(({ spec }) => spec.organizationId ?? []));
  return [...all].filter((id) => organizationId === undefined || id === organizationId);
}

/** The caller's own tenants among `tenants`, by name. `roles` are the roles of the user by organization. */
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
