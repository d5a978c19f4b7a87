import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { isKeysUnavailable, refusalReason } from './jwt-errors.ts';
import { unauthenticated } from './unauthenticated.ts';
import { ProviderUnavailable } from './workos-connection.ts';

/** Claims of an access token of the AuthKit domain: docs/workos-notes.md. */
export interface OAuthClaims {
  readonly userId: string;
  /** Organization that the user chose at sign-in. */
  readonly organizationId: string | undefined;
  /** URLs that the token was issued for. */
  readonly audiences: readonly string[];
}

const claims = z.object({ sub: z.string().min(1), aud: z.union([z.string(), z.array(z.string())]), org_id: z.string().optional() });

/** Verifies OAuth access tokens of the AuthKit domain. Their keys and issuer differ from those of session tokens. */
export class OAuthTokens {
  readonly #keys: JWTVerifyGetKey;
  readonly issuer: string;

  constructor({ issuer, keys }: { readonly issuer: string; readonly keys?: JWTVerifyGetKey }) {
    this.issuer = issuer;
    this.#keys = keys ?? createRemoteJWKSet(new URL(`${issuer}/oauth2/jwks`), { timeoutDuration: 4_000, cooldownDuration: 10_000 });
  }

  /**
   * Verifies everything except the audience, which the caller checks.
   * @throws Problem `unauthenticated` (401) with a challenge; ProviderUnavailable when the keys cannot be read.
   */
  async verify(token: string): Promise<OAuthClaims> {
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer: this.issuer,
        algorithms: ['RS256'],
        requiredClaims: ['exp', 'sub', 'aud'],
      });
      const { sub, aud, org_id: organizationId } = claims.parse(payload);
      return { userId: sub, organizationId, audiences: [aud].flat() };
    } catch (error) {
      if (isKeysUnavailable(error)) throw new ProviderUnavailable('reading the OAuth keys', undefined, { cause: error });
      const reason = refusalReason(error);
      throw unauthenticated(`Sign in again: ${reason}.`, reason);
    }
  }
}
