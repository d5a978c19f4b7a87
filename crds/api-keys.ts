import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** What an API key may do. `probe` is limited to initialize, server/discover and tools/list. */
export const apiKeyScopes = ['mcp', 'api', 'probe'] as const;
export type ApiKeyScope = (typeof apiKeyScopes)[number];

/** An API key as a pod knows it: never the key itself. The mounted file is a JSON array of these. */
export interface ApiKeyRecord {
  /** Public part of the key, which logs and lists may show. */
  readonly id: string;
  /** Name for people. */
  readonly name: string;
  /** SHA-256 of the whole key, hexadecimal. */
  readonly sha256: string;
  readonly scopes: readonly ApiKeyScope[];
  /** RFC 3339; without it the key does not expire. */
  readonly expiresAt?: string;
}

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function random(length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}

/** A new key, `tnt_<id:12>_<secret:32><checksum:6>`: a fixed prefix for secret scanners, 190 bits of secret, a checksum against typing errors. */
export function generateApiKey(): string {
  const body = `tnt_${random(12)}_${random(32)}`;
  return body + checksum(body);
}

/** The public id of a well-formed key; undefined when prefix, length or checksum is wrong. */
export function apiKeyId(key: string): string | undefined {
  const match = /^(tnt_([0-9A-Za-z]{12})_[0-9A-Za-z]{32})([0-9A-Za-z]{6})$/.exec(key);
  return match?.[1] !== undefined && checksum(match[1]) === match[3] ? match[2] : undefined;
}

export function recordOf(key: string, name: string, scopes: readonly ApiKeyScope[]): ApiKeyRecord {
  const id = apiKeyId(key);
  if (id === undefined) throw new Error('not a well-formed API key');
  return { id, name, sha256: createHash('sha256').update(key).digest('hex'), scopes };
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < 6; i++) {
    text = alphabet[rest % alphabet.length] + text;
    rest = Math.floor(rest / alphabet.length);
  }
  return text;
}
