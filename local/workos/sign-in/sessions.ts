import { createHash } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import type { Directory } from '../directory/directory.ts';
import type { Events } from '../state/events.ts';
import { newIdentifier, newSecret } from '../state/identifiers.ts';
import type { Membership, User } from '../state/records.ts';
import { oauthRefusal } from '../state/refusal.ts';
import type { Environment } from '../state/store.ts';
import type { Vault } from '../state/vault.ts';

/** Lifetime of a session access token, in seconds. It is WorkOS's default. */
const accessTokenSeconds = 300;
const refreshTokenSeconds = 7 * 86_400;
const codeSeconds = 600;

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

export interface Code {
  readonly userId: string;
  /** Organization that the user chose at sign-in. */
  readonly organizationId?: string | undefined;
  readonly redirectUri: string;
  readonly challenge?: string | undefined;
}

interface Refresh {
  readonly userId: string;
  readonly organizationId?: string | undefined;
  readonly sessionId: string;
}

/** Sessions of AuthKit: access tokens for an application's back end, single-use refresh tokens, and authorization codes. */
export class Sessions {
  readonly #environment: Environment;
  readonly #directory: Directory;
  readonly #events: Events;
  readonly #vault: Vault;
  /** `iss` of the access tokens. */
  readonly issuer: string;

  constructor(environment: Environment, directory: Directory, events: Events, vault: Vault, issuer: string) {
    this.#events = events;
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
  async open(user: User, membership: Membership | undefined, method: string, earlier?: string): Promise<object> {
    const refreshToken = newSecret();
    const organizationId = membership?.organization_id;
    const sessionId = earlier ?? this.#begin(user, organizationId);
    this.#vault.put<Refresh>(`refresh:${digest(refreshToken)}`, { userId: user.id, organizationId, sessionId }, refreshTokenSeconds);
    return {
      user,
      ...(organizationId === undefined ? {} : { organization_id: organizationId }),
      access_token: await this.accessToken({
        userId: user.id,
        organizationId,
        role: membership?.role.slug,
        permissions: membership === undefined ? [] : this.#directory.memberships.permissionsOf(membership),
        sessionId,
      }),
      refresh_token: refreshToken,
      authentication_method: method,
    };
  }

  #begin(user: User, organizationId: string | undefined): string {
    const id = newIdentifier('session');
    const time = new Date();
    const session = {
      object: 'session',
      id,
      user_id: user.id,
      ...(organizationId === undefined ? {} : { organization_id: organizationId }),
      auth_method: 'password',
      status: 'active',
      ip_address: null,
      user_agent: null,
      expires_at: new Date(time.getTime() + refreshTokenSeconds * 1000).toISOString(),
      ended_at: null,
      created_at: time.toISOString(),
      updated_at: time.toISOString(),
    };
    this.#events.emit('session.created', session, organizationId);
    return id;
  }

  /** Returns the session of a refresh token, and consumes the token. */
  redeemRefreshToken(token: string): Refresh {
    const refresh = this.#vault.take<Refresh>(`refresh:${digest(token)}`);
    if (refresh === undefined) throw oauthRefusal('invalid_grant', 'Session has already ended or the refresh token was used before.');
    return refresh;
  }

  issueCode(code: Code): string {
    const value = newSecret();
    this.#vault.put<Code>(`code:${digest(value)}`, code, codeSeconds);
    return value;
  }

  /** Returns the sign-in of a code. With PKCE, `verifier` proves that the caller started the flow. */
  redeemCode(value: string, verifier: string | undefined): Code {
    const code = this.#vault.take<Code>(`code:${digest(value)}`);
    if (code === undefined) throw oauthRefusal('invalid_grant', `The code '${value.slice(0, 4)}...' has expired or is invalid.`);
    if (code.challenge !== undefined) {
      const expected = createHash('sha256')
        .update(verifier ?? '')
        .digest('base64url');
      if (expected !== code.challenge) throw oauthRefusal('invalid_grant', 'Invalid code verifier.');
    }
    return code;
  }
}

function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}
