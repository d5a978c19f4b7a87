import { decodeJwt, errors, jwtVerify } from 'jose';
import { type Access, accessAt, type Door, isOwnScope, scopeOf } from '../access.ts';
import type { Caller } from '../assertion.ts';
import { type ApiKeys, apiKeyPrefix } from './api-keys.ts';
import { ControlPlaneUnavailable } from './control-plane.ts';
import type { Membership, Memberships } from './memberships.ts';
import { Refusal } from './refusal.ts';
import type { SigningKeys } from './signing-keys.ts';

/** Something a caller addresses: the MCP endpoint or the REST API, each with an audience and a scope of its own. */
export interface ProtectedResource {
  /** Public URL, which the token's audience must equal. */
  readonly url: string;
  readonly metadataUrl: string;
  /** What of the scopes counts here. */
  readonly door: Door;
}

export interface AuthorizerOptions {
  readonly apiKeys: ApiKeys;
  /** A valid key was shown, whatever it may do. */
  readonly onKeyUse: (id: string) => void;
  /** Absent where the tenant has no organization. */
  readonly oauth?: {
    readonly issuer: string;
    readonly organizationId: string;
    readonly keys: SigningKeys;
    readonly memberships: Memberships;
  };
  readonly clock?: () => Date;
}

/** Who calls, and how much they may do. */
export interface Authorized {
  readonly caller: Caller;
  /** `probe` is less than `read`: the handshake and the list of tools. */
  readonly access: Exclude<Access, 'none'> | 'probe';
  /** Why `access` is not `all`, for whoever is refused; such as `Your role "viewer" may only read.` */
  readonly limits: string;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Asymmetric ones alone: with a shared secret, whoever can check a token could make one. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

/** Decides who may call, by API key or OAuth token. What cannot be decided is refused. */
export class Authorizer {
  readonly #options: AuthorizerOptions;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** @throws {Refusal} */
  async authorize(headers: Headers, resource: ProtectedResource): Promise<Authorized> {
    const credential = credentialOf(headers);
    return credential.startsWith(apiKeyPrefix) ? await this.#byKey(credential, resource) : await this.#byToken(credential, resource);
  }

  async #byKey(key: string, resource: ProtectedResource): Promise<Authorized> {
    const { id, scopes } = await this.#options.apiKeys.verify(key);
    this.#options.onKeyUse(id);
    const { door } = resource;
    const access = accessAt(door, scopes);
    const subject = `key:${id}`;
    if (access !== 'none') {
      const scope = scopeOf(door, access);
      return { caller: { subject, scopes: [scope] }, access, limits: `This API key may only read: its scope is "${scope}".` };
    }
    if (door === 'mcp' && scopes.includes('probe')) {
      return { caller: { subject, scopes: ['probe'] }, access: 'probe', limits: 'A probe key may only initialize and list tools.' };
    }
    throw new Refusal('scope', `This API key lacks the scope "${door}".`);
  }

  async #byToken(token: string, resource: ProtectedResource): Promise<Authorized> {
    const { oauth, clock } = this.#options;
    if (oauth === undefined) throw new Refusal('invalid_token', 'This tenant has no organization: only its API keys work.');
    let subject: string | undefined;
    let scope: unknown;
    try {
      const { payload } = await jwtVerify(token, oauth.keys.find, {
        issuer: oauth.issuer,
        audience: resource.url,
        algorithms,
        requiredClaims: ['exp', 'sub'],
        ...(clock && { currentDate: clock() }),
      });
      subject = payload.sub;
      scope = payload['scope'];
    } catch (error) {
      throw refusalOf(error, token, oauth.issuer);
    }
    if (subject === undefined || !/^[\w.@|:-]{1,200}$/.test(subject) || /^\.+$/.test(subject)) {
      throw new Refusal('invalid_token', 'The token names no user.');
    }
    const membership = await this.#membership(subject, oauth.memberships);
    if (!membership.member) throw new Refusal('not_member', "You are not an active member of this tenant's organization.");
    const { access, role } = membership;
    const named = role === undefined ? 'Your role' : `Your role "${role}"`;
    if (access === 'none') throw new Refusal('role', `${named} may not use this tenant. Ask an administrator of your organization.`);
    const scopes = typeof scope === 'string' ? scope.split(' ').filter((word) => word !== '' && !isOwnScope(word)) : [];
    return {
      caller: { subject, organization: oauth.organizationId, scopes: [scopeOf(resource.door, access), ...scopes] },
      access,
      limits: `${named} may only read. Ask an administrator of your organization.`,
    };
  }

  async #membership(subject: string, memberships: Memberships): Promise<Membership> {
    try {
      return await memberships.of(subject);
    } catch (error) {
      throw unavailable(error);
    }
  }
}

/** The API key or token; a bearer token goes before X-API-Key. */
function credentialOf(headers: Headers): string {
  const { authorization, 'x-api-key': apiKey } = headers;
  if (typeof authorization === 'string') {
    const token = /^Bearer +([\w.~+/=-]+) *$/i.exec(authorization)?.[1];
    if (token === undefined) throw new Refusal('invalid_token', 'The Authorization header must be "Bearer" and a token.');
    return token;
  }
  if (typeof apiKey === 'string') {
    if (!apiKey.startsWith(apiKeyPrefix)) throw new Refusal('unknown_key', 'X-API-Key holds no API key of Tenantry.');
    return apiKey;
  }
  throw new Refusal('no_token', 'Authorization is required: sign in as the metadata says, or send an API key.');
}

function unavailable(error: unknown): unknown {
  if (!(error instanceof ControlPlaneUnavailable)) return error;
  return new Refusal('unavailable', 'Tokens cannot be checked at the moment. Try again in a few seconds.', {
    retryAfterSeconds: error.retryAfterSeconds,
    cause: error,
  });
}

function refusalOf(error: unknown, token: string, issuer: string): unknown {
  if (error instanceof errors.JWTExpired) return new Refusal('expired', 'The token has expired.');
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iss') return new Refusal('wrong_issuer', 'The token comes from another issuer.');
    if (error.claim === 'aud') return new Refusal('wrong_audience', 'The token was issued for another resource.');
    return new Refusal('invalid_token', `The claim ${error.claim} of the token is not valid.`);
  }
  if (error instanceof errors.JOSEError) {
    // Another issuer's key is not among ours: say what is wrong rather than that a key is missing. Nothing is trusted by it.
    return issuedElsewhere(token, issuer)
      ? new Refusal('wrong_issuer', 'The token comes from another issuer.')
      : new Refusal('invalid_token', 'The token is not valid.');
  }
  return unavailable(error);
}

function issuedElsewhere(token: string, issuer: string): boolean {
  try {
    const { iss } = decodeJwt(token);
    return iss !== undefined && iss !== issuer;
  } catch {
    return false;
  }
}
