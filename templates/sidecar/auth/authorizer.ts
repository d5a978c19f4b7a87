import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { type Access, accessAt, type Door, isOwnScope, scopeOf } from '../../runtime/access.ts';
import type { Caller } from '../../runtime/assertion.ts';
import { Refusal } from '../http/refusal.ts';
import type { OAuthSettings } from '../settings/settings.ts';
import { type ApiKeys, apiKeyPrefix } from './api-keys.ts';
import { ControlPlaneUnavailable } from './control-plane.ts';
import type { Membership, Memberships } from './memberships.ts';
import type { SigningKeys } from './signing-keys.ts';

/** Something a caller addresses: the MCP endpoint or the REST API, each with an audience and a scope of its own. */
export interface ProtectedResource {
  /** Public URL, which the token's audience must equal. */
  readonly url: string;
  readonly metadataUrl: string;
  /** The scopes that count here. */
  readonly door: Door;
}

interface OAuth extends OAuthSettings {
  readonly keys: SigningKeys;
  readonly memberships: Memberships;
}

export interface AuthorizerOptions {
  readonly apiKeys: ApiKeys;
  /** A valid key was shown, regardless of its access. */
  readonly onKeyUse: (id: string) => void;
  /** Absent where the tenant has no organization. */
  readonly oauth?: OAuth;
  readonly clock?: () => Date;
}

/** The caller and their access. */
export interface Authorized {
  readonly caller: Caller;
  /** `probe` is less than `read`: the handshake and the list of tools. */
  readonly access: Exclude<Access, 'none'> | 'probe';
  /** Why `access` is not `all`, for the refused caller; such as `Your role "viewer" may only read.` */
  readonly limits: string;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Only asymmetric algorithms: with a shared secret, everyone who can check a token could make one. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

/** Decides who may call, by API key or OAuth token. A request that cannot be decided is refused. */
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
    const { oauth } = this.#options;
    if (oauth === undefined) throw new Refusal('invalid_token', 'This tenant has no organization: only its API keys work.');
    const claims = await this.#verify(token, oauth, [resource.url, oauth.clientId]);
    // A token that names several audiences is a user's: a machine's names the environment alone.
    return [claims.aud ?? []].flat().includes(resource.url)
      ? await this.#asUser(claims, oauth, resource.door)
      : asMachine(claims, oauth, resource.door);
  }

  async #verify(token: string, { issuer, keys }: OAuth, audience: string[]): Promise<JWTPayload> {
    const { clock } = this.#options;
    try {
      const options = { issuer, audience, algorithms, requiredClaims: ['exp', 'sub'], ...(clock && { currentDate: clock() }) };
      return (await jwtVerify(token, keys.find, options)).payload;
    } catch (error) {
      throw refusalOf(error, token, issuer);
    }
  }

  async #asUser({ sub: subject, scope }: JWTPayload, { memberships, organizationId }: OAuth, door: Door): Promise<Authorized> {
    if (subject === undefined || !/^[\w.@|:-]{1,200}$/.test(subject) || /^\.+$/.test(subject)) {
      throw new Refusal('invalid_token', 'The token names no user.');
    }
    const membership = await this.#membership(subject, memberships);
    if (!membership.member) throw new Refusal('not_member', "You are not an active member of this tenant's organization.");
    const { access, role } = membership;
    const named = role === undefined ? 'Your role' : `Your role "${role}"`;
    if (access === 'none') throw new Refusal('role', `${named} may not use this tenant. Ask an administrator of your organization.`);
    return {
      caller: { subject, organization: organizationId, scopes: [scopeOf(door, access), ...foreignScopes(scope)] },
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

/**
 * An application's own token, by the grant client_credentials. Its audience is the whole environment, so its organization and its
 * scopes decide. A user's token may have that audience too, when no resource was asked for; its subject is not an application.
 * https://workos.com/docs/authkit/connect/token-claims
 */
function asMachine(claims: JWTPayload, { clientId, organizationId }: OAuthSettings, door: Door): Authorized {
  const { aud, sub: subject, client_id: application, sid, org_id: organization, scope } = claims;
  const isMachine = subject !== undefined && /^client_\w{1,100}$/.test(subject) && subject !== clientId && sid === undefined;
  if (!isMachine || (application ?? subject) !== subject || [aud].flat().length !== 1) {
    throw new Refusal('wrong_audience', 'The token was issued for another resource.');
  }
  if (organization !== organizationId) throw new Refusal('not_member', "This application does not belong to this tenant's organization.");
  const access = accessAt(door, scopesIn(scope));
  if (access === 'none') throw new Refusal('scope', `This application's token lacks the scope "${door}".`);
  const granted = scopeOf(door, access);
  return {
    caller: { subject, organization: organizationId, scopes: [granted, ...foreignScopes(scope)] },
    access,
    limits: `This application may only read: the scope of its token is "${granted}".`,
  };
}

function scopesIn(claim: unknown): string[] {
  return typeof claim === 'string' ? claim.split(' ').filter((word) => word !== '') : [];
}

/** Scopes that mean nothing to Tenantry and may mean something to the API. */
function foreignScopes(claim: unknown): string[] {
  return scopesIn(claim).filter((scope) => !isOwnScope(scope));
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
