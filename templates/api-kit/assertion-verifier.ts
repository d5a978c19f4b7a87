import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import { Problem } from '../../problems/problem.ts';
import { assertionAlgorithm, assertionAudience, assertionIssuer, type Caller } from '../runtime/assertion.ts';

export interface AssertionVerifierOptions {
  /** File with the sidecar's public keys as a JWKS. */
  readonly jwksFile: string;
  /** UID of the tenant this process serves. */
  readonly tenantUid: string;
  readonly clock?: () => Date;
}

type KeySet = ReturnType<typeof createLocalJWKSet>;

/** Checks the sidecar's assertions. Keys are read on first use and again for an unknown key, because a restarted sidecar has a new one. */
export class AssertionVerifier {
  readonly #options: AssertionVerifierOptions;
  #keys: KeySet | undefined;

  constructor(options: AssertionVerifierOptions) {
    this.#options = options;
  }

  /** @throws {Problem} 401 when the header carries no valid assertion for this tenant. */
  async verify(authorization: string | undefined): Promise<Caller> {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw unauthorized('This API is called through the MCP sidecar, with its assertion as bearer token.');
    const claims = await this.#claims(token);
    if (claims['tenant'] !== this.#options.tenantUid) throw unauthorized('The assertion is for another tenant.');
    if (typeof claims.sub !== 'string' || claims.sub === '') throw unauthorized('The assertion names no subject.');
    const { org, scope } = claims;
    return {
      subject: claims.sub,
      ...(typeof org === 'string' && { organization: org }),
      scopes: typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : [],
    };
  }

  async #claims(token: string): Promise<JWTPayload> {
    try {
      return await this.#check(token, this.#keys ?? (await this.#load()));
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw refusal(error);
    }
    return await this.#check(token, await this.#load()).catch((error) => {
      throw refusal(error);
    });
  }

  async #check(token: string, keys: KeySet): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, keys, {
      issuer: assertionIssuer,
      audience: assertionAudience,
      algorithms: [assertionAlgorithm],
      requiredClaims: ['exp', 'iat', 'sub', 'tenant'],
      ...(this.#options.clock && { currentDate: this.#options.clock() }),
    });
    return payload;
  }

  async #load(): Promise<KeySet> {
    let jwks: JSONWebKeySet;
    try {
      jwks = JSON.parse(await readFile(this.#options.jwksFile, 'utf8'));
    } catch {
      throw new errors.JWKSInvalid('the sidecar has not written its keys yet');
    }
    this.#keys = createLocalJWKSet(jwks);
    return this.#keys;
  }
}

function refusal(error: unknown): unknown {
  return error instanceof errors.JOSEError ? unauthorized(`The assertion is not valid: ${error.message}.`) : error;
}

function unauthorized(detail: string): Problem {
  return new Problem('unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer' } });
}
