import { createHash } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import type { Directory } from '../directory/directory.ts';
import { newIdentifier, newSecret } from '../state/identifiers.ts';
import type { Membership, User } from '../state/records.ts';
import { oauthRefusal } from '../state/refusal.ts';
import type { Environment } from '../state/store.ts';
import type { Vault } from '../state/vault.ts';

/** Lifetime of a session access token, in seconds. It is WorkOS's default. */
const accessTokenSeconds = 300;
const refreshTokenSeconds = 7 * 86_400;

export interface SessionClaims {
  readonly userId: string;
  readonly organizationId?: string | undefined;
  readonly role?: string | undefined;
  readonly permissions: readonly string[];
  readonly sessionId: string;
  readonly expiresInSeconds?: number | undefined;
  /** E-mail address of the impersonator, in WorkOS's format: https://workos.com/docs/authkit/impersonation */
  readonly impersonator?: string | undefined;
}

interface Refresh {
  readonly userId: string;
  readonly organizationId?: string | undefined;
  readonly sessionId: string;
}

/** Sessions of AuthKit: access tokens for an application's back end, and single-use refresh tokens. */
export class Sessions {
  readonly #environment: Environment;
  readonly #directory: Directory;
  readonly #vault: Vault;
  /** `iss` of the access tokens. */
  readonly issuer: string;

  constructor(environment: Environment, directory: Directory, vault: Vault, issuer: string) {
    this.#environment = environment;
    this.#directory = directory;
    this.#vault = vault;
    this.issuer = issuer;
  }

  /** Signs an access token with the claims of https://workos.com/docs/reference/authkit/session-tokens. */
  async accessToken(claims: SessionClaims): Promise<string> {
    const { jwk } = this.#environment.sessionKey;
    const role = claims.role;
    return new SignJWT({
      ...(claims.organizationId === undefined ? {} : { org_id: claims.organizationId, role, roles: role === undefined ? [] : [role] }),
      permissions: claims.permissions,
      entitlements: [],
      sid: claims.sessionId,
      ...(claims.impersonator === undefined ? {} : { act: { sub: claims.impersonator } }),
    })
      .setProtectedHeader({ alg: 'RS256', kid: jwk.kid ?? '', typ: 'JWT' })
      .setIssuer(this.issuer)
      .setSubject(claims.userId)
      .setJti(newIdentifier('jti').slice('jti_'.length))
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + (claims.expiresInSeconds ?? accessTokenSeconds))
      .sign(await importJWK(jwk, 'RS256'));
  }

  /** Returns the answer of `/user_management/authenticate`. A membership binds the session to its organization. `earlier` continues a session. */
  async open(user: User, membership: Membership | undefined, earlier?: string): Promise<object> {
    const refreshToken = newSecret();
    const organizationId = membership?.organization_id;
    const sessionId = earlier ?? newIdentifier('session');
    this.#vault.put<Refresh>(`refresh:${digest(refreshToken)}`, { userId: user.id, organizationId, sessionId }, refreshTokenSeconds);
    return {
      user,
      ...(organizationId === undefined ? {} : { organization_id: organizationId }),
      access_token: await this.accessToken({
        userId: user.id,
        organizationId,
        role: membership?.role.slug,
        permissions: membership === undefined ? [] : this.#directory.roles.permissionsOf(membership.role.slug),
        sessionId,
      }),
      refresh_token: refreshToken,
      authentication_method: 'Password',
    };
  }

  /** Returns the session of a refresh token, and consumes the token. */
  redeemRefreshToken(token: string): Refresh {
    const refresh = this.#vault.take<Refresh>(`refresh:${digest(token)}`);
    if (refresh === undefined) throw oauthRefusal('invalid_grant', 'Session has already ended or the refresh token was used before.');
    return refresh;
  }
}

function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}
