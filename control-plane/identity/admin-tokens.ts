import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { challenge } from '../http/bearer.ts';
import { Problem } from '../http/problem.ts';
import { ProviderUnavailable } from './provider.ts';

export const permissions = ['tenants:read', 'tenants:write', 'tenants:delete'] as const;
export type Permission = (typeof permissions)[number];

/** Who an administrator is, by the claims of https://workos.com/docs/reference/authkit/session-tokens. */
export interface Admin {
  readonly userId: string;
  readonly organizationId: string | undefined;
  readonly permissions: ReadonlySet<string>;
}

const claims = z.object({
  sub: z.string().min(1),
  org_id: z.string().optional(),
  permissions: z.array(z.string()).default([]),
});

/** Reasons a token is refused, by jose's error codes; whatever else is wrong with one is "not a valid token". */
const reasons: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'the token has expired',
  ERR_JWT_CLAIM_VALIDATION_FAILED: 'a claim of the token is not acceptable here',
  ERR_JOSE_ALG_NOT_ALLOWED: 'the algorithm of the token is not allowed',
  ERR_JWKS_NO_MATCHING_KEY: 'the token was signed with an unknown key',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'the signature of the token is wrong',
};

/** Verifies AuthKit session access tokens: signature by the environment's keys, issuer, expiry, RS256 alone. */
export class AdminTokens {
  readonly #keys: JWTVerifyGetKey;
  readonly #issuer: string;

  constructor(options: { keysUrl: URL; issuer: string; keys?: JWTVerifyGetKey }) {
    this.#keys = options.keys ?? createRemoteJWKSet(options.keysUrl, { timeoutDuration: 5_000, cooldownDuration: 10_000 });
    this.#issuer = options.issuer;
  }

  /** @throws Problem `unauthenticated` (401) with a challenge; ProviderUnavailable when the keys cannot be read. */
  async verify(token: string | undefined): Promise<Admin> {
    if (token === undefined) throw unauthenticated('Send an AuthKit session access token: `Authorization: Bearer <token>`.');
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer: this.#issuer,
        algorithms: ['RS256'],
        requiredClaims: ['exp', 'sub'],
        clockTolerance: 5,
      });
      const known = claims.parse(payload);
      return { userId: known.sub, organizationId: known.org_id, permissions: new Set(known.permissions) };
    } catch (error) {
      if (isUnavailable(error)) throw new ProviderUnavailable('reading the keys of session tokens', undefined, { cause: error });
      const reason = (error instanceof errors.JOSEError ? reasons[error.code] : undefined) ?? 'this is not a valid token';
      throw unauthenticated(`Sign in again: ${reason}.`, reason);
    }
  }
}

/** @throws Problem `forbidden` (403) naming what is missing. */
export function requirePermission(admin: Admin, permission: Permission): void {
  if (admin.permissions.has(permission)) return;
  throw new Problem('forbidden', `This needs the permission ${permission}; ask for a role that has it.`, {
    headers: { 'www-authenticate': challenge('tenantry-admin', { error: 'insufficient_scope', scope: permission }) },
  });
}

function unauthenticated(detail: string, reason?: string): Problem {
  const parameters: Record<string, string> = reason === undefined ? {} : { error: 'invalid_token', error_description: reason };
  return new Problem('unauthenticated', detail, { headers: { 'www-authenticate': challenge('tenantry-admin', parameters) } });
}

/** Whether verification failed for want of keys and not because of the token: jose reports a bad answer generically, fetch by TypeError. */
function isUnavailable(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error instanceof TypeError) return true;
  return error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC';
}
