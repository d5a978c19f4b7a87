import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { canonicalJson } from './json.ts';

/** A public key (RFC 8037). Its id is its thumbprint (RFC 7638). */
export interface PublicKey {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly kid: string;
  readonly alg: 'EdDSA';
  readonly use: 'sig';
}

/** Public keys whose signatures are accepted. */
export class TrustedKeys {
  readonly #keys = new Map<string, { readonly key: KeyObject; readonly jwk: PublicKey }>();

  /** @throws Error for a key that is not an Ed25519 key, or whose id is not its thumbprint. */
  constructor(keys: readonly unknown[]) {
    for (const one of keys) {
      const { x, kid } = (one ?? {}) as Partial<PublicKey>;
      const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: String(x) }, format: 'jwk' });
      const jwk = publicKeyOf(key);
      if (kid !== undefined && kid !== jwk.kid)
        throw new Error(`the key id ${kid} is not the thumbprint of its key; the thumbprint is ${jwk.kid}`);
      this.#keys.set(jwk.kid, { key, jwk });
    }
  }

  get all(): PublicKey[] {
    return [...this.#keys.values()].map(({ jwk }) => jwk);
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  /** Verifies a signature (base64url) over the UTF-8 of the canonical JSON of `statement`. */
  verify(statement: object, keyId: string, signature: string): boolean {
    const known = this.#keys.get(keyId);
    // The signature may come from a forged file.
    if (known === undefined || typeof signature !== 'string') return false;
    return verify(null, Buffer.from(canonicalJson(statement)), known.key, Buffer.from(signature, 'base64url'));
  }
}

/** The private key, and the public keys of former private keys. */
export class SigningKey {
  readonly id: string;
  readonly trusted: TrustedKeys;
  readonly #key: KeyObject;

  /**
   * @param pem An Ed25519 private key (PKCS #8), and after it the public keys (SPKI) of former keys whose signatures stay valid.
   * @throws Error that does not contain the key.
   */
  constructor(pem: string) {
    const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
    const [first = '', ...rest] = blocks;
    try {
      this.#key = createPrivateKey(first);
      const current = publicKeyOf(createPublicKey(this.#key));
      this.id = current.kid;
      this.trusted = new TrustedKeys([current, ...rest.map((block) => publicKeyOf(createPublicKey(block)))]);
    } catch {
      throw new Error('must contain an Ed25519 private key in PEM, followed only by public keys of former private keys');
    }
  }

  /** Signs the UTF-8 of the canonical JSON of `statement`. @returns the signature in base64url. */
  sign(statement: object): string {
    return sign(null, Buffer.from(canonicalJson(statement)), this.#key).toString('base64url');
  }
}

function publicKeyOf(key: KeyObject): PublicKey {
  const { kty, crv, x } = key.export({ format: 'jwk' });
  if (kty !== 'OKP' || crv !== 'Ed25519' || x === undefined) throw new Error('this is not an Ed25519 key');
  const kid = createHash('sha256').update(canonicalJson({ crv, kty, x })).digest('base64url');
  return { kty, crv, x, kid, alg: 'EdDSA', use: 'sig' };
}
