import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { exportJWK, type JWK } from 'jose';
import { newIdentifier } from './identifiers.ts';
import type { SigningKey } from './store.ts';

/** Creates an RS256 key with a certificate, which WorkOS's key sets include. */
export async function createSigningKey(prefix: string): Promise<SigningKey> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const notBefore = new Date();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=WorkOS stand-in',
    keys,
    signingAlgorithm: algorithm,
    notBefore,
    notAfter: new Date(notBefore.getTime() + 10 * 365 * 86_400_000),
  });
  return {
    jwk: { ...(await exportJWK(keys.privateKey)), alg: 'RS256', use: 'sig', kid: newIdentifier(prefix) },
    certificate: Buffer.from(certificate.rawData).toString('base64'),
  };
}

/** Returns the public key in the format of `/sso/jwks/:clientId`. */
export function publicKeyOf(key: SigningKey): JWK {
  const { kty, n, e, kid } = key.jwk;
  return {
    alg: 'RS256',
    kty,
    use: 'sig',
    x5c: [key.certificate],
    n,
    e,
    kid,
    'x5t#S256': createHash('sha256').update(Buffer.from(key.certificate, 'base64')).digest('base64url'),
  } as JWK;
}
