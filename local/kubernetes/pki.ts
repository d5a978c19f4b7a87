// @peculiar/x509 requires this module to be loaded first.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { stringify } from 'yaml';
import { writePrivate } from '../machine/files.ts';

type CryptoKey = webcrypto.CryptoKey;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const day = 24 * 3600 * 1000;

/** A certificate and its private key in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate and its private key as files. Only the owner can read the key file. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Subject {
  /** User name, for a client certificate. */
  readonly commonName: string;
  /** Groups, for a client certificate. */
  readonly organizations?: readonly string[];
  readonly usage: 'client' | 'server' | 'both';
  readonly addresses?: readonly string[];
  readonly names?: readonly string[];
}

/** A certificate authority with its key in a folder. It is valid for ten years. Its certificates are reissued at every start for one year. */
export class Authority {
  readonly #certificate: x509.X509Certificate;
  readonly #key: CryptoKey;
  readonly #folder: string;
  readonly certFile: string;
  readonly keyFile: string;

  private constructor(folder: string, name: string, certificate: x509.X509Certificate, key: CryptoKey) {
    this.#folder = folder;
    this.#certificate = certificate;
    this.#key = key;
    this.certFile = join(folder, `${name}.crt`);
    this.keyFile = join(folder, `${name}.key`);
  }

  get cert(): string {
    return this.#certificate.toString('pem');
  }

  static async open(folder: string, name: string): Promise<Authority> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const certFile = join(folder, `${name}.crt`);
    const keyFile = join(folder, `${name}.key`);
    if (existsSync(certFile) && existsSync(keyFile)) {
      const pem = x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8'));
      const key = await webcrypto.subtle.importKey('pkcs8', pem, algorithm, true, ['sign']);
      return new Authority(folder, name, new x509.X509Certificate(readFileSync(certFile, 'utf8')), key);
    }
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      name: `CN=tenantry-${name}`,
      ...validity(3650),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    writePrivate(keyFile, await pemOf(keys.privateKey));
    writePrivate(certFile, certificate.toString('pem'));
    return new Authority(folder, name, certificate, keys.privateKey);
  }

  async issue(subject: Subject): Promise<Certificate> {
    const keys = await newKeys();
    const usages = [
      ...(subject.usage === 'server' ? [] : [x509.ExtendedKeyUsage.clientAuth]),
      ...(subject.usage === 'client' ? [] : [x509.ExtendedKeyUsage.serverAuth]),
    ];
    const alternatives = [
      ...(subject.addresses ?? []).map((value) => ({ type: 'ip' as const, value })),
      ...(subject.names ?? []).map((value) => ({ type: 'dns' as const, value })),
    ];
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: [...(subject.organizations ?? []).map((group) => ({ O: [group] })), { CN: [subject.commonName] }],
      issuer: this.#certificate.subject,
      ...validity(365),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: this.#key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(usages),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
        ...(alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : []),
      ],
    });
    return { cert: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
  }

  /** Issues a certificate into the authority's folder. */
  async issueFiles(name: string, subject: Subject): Promise<CertificateFiles> {
    const { cert, key } = await this.issue(subject);
    const certFile = join(this.#folder, `${name}.crt`);
    const keyFile = join(this.#folder, `${name}.key`);
    writePrivate(keyFile, key);
    writePrivate(certFile, cert);
    return { certFile, keyFile };
  }
}

/** Opens the key pair that signs ServiceAccount tokens. It is kept between starts, so that earlier tokens stay valid. */
export async function openServiceAccountKey(folder: string): Promise<{ keyFile: string; publicFile: string }> {
  const keyFile = join(folder, 'service-account.key');
  const publicFile = join(folder, 'service-account.pub');
  if (!existsSync(keyFile) || !existsSync(publicFile)) {
    const keys = await newKeys();
    writePrivate(publicFile, x509.PemConverter.encode(await webcrypto.subtle.exportKey('spki', keys.publicKey), 'PUBLIC KEY'));
    writePrivate(keyFile, await pemOf(keys.privateKey));
  }
  return { keyFile, publicFile };
}

/** A self-contained kubeconfig: certificates and key are embedded, so the file can be copied. */
export function kubeconfigOf(server: string, authority: Authority, user: string, client: Certificate): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'tenantry-local', cluster: { server, 'certificate-authority-data': base64(authority.cert) } }],
    users: [{ name: user, user: { 'client-certificate-data': base64(client.cert), 'client-key-data': base64(client.key) } }],
    contexts: [{ name: 'tenantry-local', context: { cluster: 'tenantry-local', user } }],
    'current-context': 'tenantry-local',
  });
}

async function newKeys() {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function pemOf(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function serial(): string {
  return randomBytes(16)
    .toString('hex')
    .replace(/^[89a-f]/, '1');
}

/** Validity of a certificate. It begins slightly in the past, because clocks differ. */
function validity(days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - 5 * 60_000), notAfter: new Date(Date.now() + days * day) };
}
