import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { isKeysUnavailable, refusalReason } from './jwt-errors.ts';
import { ProviderUnavailable } from './provider.ts';
import { unauthenticated } from './unauthenticated.ts';

/** Claims of a session token: https://workos.com/docs/reference/authkit/session-tokens. */
export interface SessionClaims {
  readonly userId: string;
  readonly organizationId: string;
  /** Slugs of the user's roles when the token was issued. The first is the claim `role`. */
  readonly roles: readonly string[];
  readonly permissions: ReadonlySet<string>;
  /** E-mail address of the person who impersonates the user: https://workos.com/docs/authkit/impersonation */
  readonly impersonator: string | undefined;
}

const claims = z.object({
  sub: z.string().min(1),
  org_id: z.string().min(1),
  role: z.string().optional(),
  roles: z.array(z.string()).optional(),
  permissions: z.array(z.string()).default([]),
  act: z.object({ sub: z.string().min(1) }).optional(),
});

/** Verifies AuthKit session access tokens: signature with the environment's keys, issuer, expiry, and RS256 as the only algorithm. */
export class SessionTokens {
  readonly #keys: JWTVerifyGetKey;
  readonly #issuer: string;

  constructor(options: { readonly keysUrl: URL; readonly issuer: string; readonly keys?: JWTVerifyGetKey }) {
    this.#keys = options.keys ?? createRemoteJWKSet(options.keysUrl, { timeoutDuration: 5_000, cooldownDuration: 10_000 });
    this.#issuer = options.issuer;
  }

  /** The signed-in user, with any organization or none. @throws the errors of `verify`. */
  async subject(token: string): Promise<{ readonly userId: string; readonly organizationId: string | undefined }> {
    const known = claims.partial({ org_id: true }).safeParse(await this.#payload(token));
    if (!known.success) throw invalid();
    return { userId: known.data.sub, organizationId: known.data.org_id };
  }

  /** @throws Problem `unauthenticated` (401) with a challenge; ProviderUnavailable when the keys cannot be read. */
  async verify(token: string): Promise<SessionClaims> {
    const known = claims.safeParse(await this.#payload(token));
    if (!known.success && known.error.issues.every(({ path }) => path[0] === 'org_id')) {
      const reason = 'the token has no organization';
      throw unauthenticated(`Sign in to an organization: ${reason}.`, reason);
    }
    if (!known.success) throw invalid();
    const { sub, org_id: organizationId, role, roles, permissions, act } = known.data;
    const all = new Set([...(role === undefined ? [] : [role]), ...(roles ?? [])]);
    return { userId: sub, organizationId, roles: [...all], permissions: new Set(permissions), impersonator: act?.sub };
  }

  async #payload(token: string): Promise<unknown> {
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer: this.#issuer,
        algorithms: ['RS256'],
        requiredClaims: ['exp', 'sub'],
      });
      return payload;
    } catch (error) {
      if (isKeysUnavailable(error)) throw new ProviderUnavailable('reading the keys of session tokens', undefined, { cause: error });
      const reason = refusalReason(error);
      throw unauthenticated(`Sign in again: ${reason}.`, reason);
    }
  }
}

function invalid() {
  return unauthenticated('Sign in again: this is not a valid token.', 'this is not a valid token');
}
