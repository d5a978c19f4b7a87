import { decodeJwt } from 'jose';
import { bearerToken } from '../http/bearer.ts';
import type { OAuthTokens } from '../identity/oauth-tokens.ts';
import type { SessionTokens } from '../identity/session-tokens.ts';
import { unauthenticated } from '../identity/unauthenticated.ts';
import type { Caller } from './resolve.ts';

/** Authenticates callers with either kind of token. The issuer that the token claims decides the kind, and the signature must confirm it. */
export class Callers {
  readonly #sessions: SessionTokens;
  readonly #oauth: OAuthTokens;

  constructor(sessions: SessionTokens, oauth: OAuthTokens) {
    this.#sessions = sessions;
    this.#oauth = oauth;
  }

  /** @throws Problem `unauthenticated` (401) with a challenge; ProviderUnavailable when keys cannot be read. */
  async authenticate(authorization: string | undefined): Promise<Caller> {
    const token = bearerToken(authorization);
    if (token === undefined) throw unauthenticated('Send an AuthKit session token or OAuth access token: `Authorization: Bearer <token>`.');
    if (issuerOf(token) === this.#oauth.issuer) return this.#oauth.verify(token);
    return { ...(await this.#sessions.subject(token)), audiences: undefined };
  }
}

/** The issuer that a token claims; undefined for a text that is not a token. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
