import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { calculateJwkThumbprint, exportJWK, type JSONWebKeySet } from 'jose';
import { assertionAlgorithm, assertionAudience, assertionIssuer, assertionLifetimeSeconds, type Caller } from '../../runtime/assertion.ts';

/** Signs assertions with a key of this process; its public half goes to the API by file. */
export class AssertionSigner {
  readonly jwks: JSONWebKeySet;
  readonly #key: KeyObject;
  readonly #header: string;
  readonly #tenantUid: string;
  readonly #now: () => number;

  private constructor(key: KeyObject, keyId: string, jwks: JSONWebKeySet, tenantUid: string, now: () => number) {
    this.#key = key;
    this.#header = encode({ alg: assertionAlgorithm, kid: keyId, typ: 'JWT' });
    this.jwks = jwks;
    this.#tenantUid = tenantUid;
    this.#now = now;
  }

  static async create(tenantUid: string, now: () => number = Date.now): Promise<AssertionSigner> {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const jwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(jwk);
    return new AssertionSigner(privateKey, kid, { keys: [{ ...jwk, kid, alg: assertionAlgorithm, use: 'sig' }] }, tenantUid, now);
  }

  /** Replaces the file at once, so that the API never reads half of it. */
  async publish(path: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}`;
    await writeFile(temporary, JSON.stringify(this.jwks), { mode: 0o644 });
    await rename(temporary, path);
  }

  /**
   * Made by hand (RFC 7515, compact form) because it is made for every call: the JWT library signs on another thread, which costs
   * several times the signature.
   */
  sign(caller: Caller, requestId: string): string {
    const issuedAt = Math.floor(this.#now() / 1000);
    const claims = {
      iss: assertionIssuer,
      aud: assertionAudience,
      sub: caller.subject,
      tenant: this.#tenantUid,
      ...(caller.organization !== undefined && { org: caller.organization }),
      scope: caller.scopes.join(' '),
      rid: requestId,
      iat: issuedAt,
      exp: issuedAt + assertionLifetimeSeconds,
    };
    const input = `${this.#header}.${encode(claims)}`;
    return `${input}.${sign(null, Buffer.from(input), this.#key).toString('base64url')}`;
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
