import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writePrivate } from './machine/files.ts';

/** Creates the key that signs the heads of the audit chains, unless the file exists. */
export function ensureAuditKey(file: string): void {
  if (existsSync(file)) return;
  const { privateKey } = generateKeyPairSync('ed25519');
  writePrivate(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
}
