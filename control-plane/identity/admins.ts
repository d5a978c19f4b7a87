import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import { bearerToken, challenge } from '../http/bearer.ts';
import type { Permission } from './permissions.ts';
import type { Membership } from './provider.ts';
import type { SessionTokens } from './session-tokens.ts';
import { unauthenticated } from './unauthenticated.ts';

/** An administrator who calls the Admin API. */
export interface Admin {
  readonly userId: string;
  readonly organizationId: string;
  /** Slug of the role; undefined when the membership has none. */
  readonly role: string | undefined;
  readonly permissions: ReadonlySet<string>;
  /** Whether the administrator is a member of the platform's organization, which sees all tenants. */
  readonly platform: boolean;
  /** E-mail address of the person who impersonates the user through WorkOS's dashboard. */
  readonly impersonator?: string;
}

export interface AdminsOptions {
  readonly tokens: SessionTokens;
  /** Present membership of a user in an organization. Both throw ProviderUnavailable, or errors of the store, when it cannot be determined. */
  readonly memberships: {
    lookup(userId: string, organizationId: string): Promise<Membership>;
    /** Asks WorkOS, so the answer is newer than that of `lookup` and costs more. */
    confirm(userId: string, organizationId: string): Promise<Membership>;
  };
  /** WorkOS organization whose members are administrators of the platform. */
  readonly platformOrganizationId: string;
}

/**
 * Authenticates administrators. The token proves the sign-in and has the permissions of the role. The membership decides whether the user
 * still has that role, because a token stays valid for minutes after the user was removed.
 */
export class Admins {
  readonly #options: AdminsOptions;

  constructor(options: AdminsOptions) {
    this.#options = options;
  }

  /**
   * @param authorization the header of that name.
   * @throws Problem `unauthenticated` (401) with a challenge; ProviderUnavailable, or errors of the store, when the membership is unknown.
   */
  async authenticate(authorization: string | undefined): Promise<Admin> {
    const token = bearerToken(authorization);
    if (token === undefined) throw unauthenticated('Send an AuthKit session access token: `Authorization: Bearer <token>`.');
    const { tokens, memberships, platformOrganizationId } = this.#options;
    const claims = await tokens.verify(token);
    const { userId, organizationId } = claims;
    let now = await memberships.lookup(userId, organizationId);
    // A new role is in the token before its event reaches the mirror.
    if (!now.member || !sameRoles(now.roles, claims.roles)) now = await memberships.confirm(userId, organizationId);
    if (!now.member) throw signInAgain('the user is not an active member of the organization');
    if (!sameRoles(now.roles, claims.roles)) throw signInAgain('the role has changed since the token was issued');
    return {
      userId,
      organizationId,
      role: claims.roles[0],
      permissions: claims.permissions,
      platform: organizationId === platformOrganizationId,
      ...(claims.impersonator === undefined ? {} : { impersonator: claims.impersonator }),
    };
  }
}

/** Whether the administrator may see the tenant. Tenants of other organizations are answered as not found. */
export function canSee(admin: Admin, tenant: Tenant): boolean {
  return admin.platform || tenant.spec.organizationId === admin.organizationId;
}

/** @throws Problem `forbidden` (403), which names the missing permission. */
export function requirePermission(admin: Admin, permission: Permission): void {
  if (admin.permissions.has(permission)) return;
  throw new Problem('forbidden', `The permission ${permission} is required.`, {
    headers: { 'www-authenticate': challenge('tenantry-admin', { error: 'insufficient_scope', scope: permission }) },
  });
}

/** @throws Problem `forbidden` (403). */
export function requirePlatform(admin: Admin): void {
  if (admin.platform) return;
  throw new Problem('forbidden', 'Only members of the platform organization may do this.', {
    remedy: 'Ask a member of the platform organization.',
    headers: { 'www-authenticate': challenge('tenantry-admin', { error: 'insufficient_scope' }) },
  });
}

function signInAgain(reason: string): Problem {
  return unauthenticated(`The token was refused: ${reason}.`, reason);
}

function sameRoles(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((role) => b.includes(role));
}
