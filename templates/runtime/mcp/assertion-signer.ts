import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose';
import { assertionAlgorithm, assertionAudience, assertionIssuer, assertionLifetimeSeconds, type Caller } from '../assertion.ts';

/** Signs assertions with a key of this process; its public half goes to the API by file. */
export class AssertionSigner {
  readonly jwks: JSONWebKeySet;
  readonly #key: CryptoKey;
  readonly #keyId: string;
  readonly #tenantUid: string;
  readonly #now: () => number;

  private constructor(key: CryptoKey, keyId: string, jwks: JSONWebKeySet, tenantUid: string, now: () => number) {
    this.#key = key;
    this.#keyId = keyId;
    this.jwks = jwks;
    this.#tenantUid = tenantUid;
    this.#now = now;
  }

  static async create(tenantUid: string, now: () => number = Date.now): Promise<AssertionSigner> {
    const { privateKey, publicKey } = await generateKeyPair(assertionAlgorithm, { crv: 'Ed25519' });
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

  async sign(caller: Caller, requestId: string): Promise<string> {
    const issuedAt = Math.floor(this.#now() / 1000);
    return await new SignJWT({
      tenant: this.#tenantUid,
      scope: caller.scopes.join(' '),
      rid: requestId,
      ...(caller.organization !== undefined && { org: caller.organization }),
    })
      .setProtectedHeader({ alg: assertionAlgorithm, kid: this.#keyId, typ: 'JWT' })
      .setIssuer(assertionIssuer)
      .setAudience(assertionAudience)
      .setSubject(caller.subject)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + assertionLifetimeSeconds)
      .sign(this.#key);
  }
}
