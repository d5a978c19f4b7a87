import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { apiVersion } from './names.ts';
import { lineOf, type ObjectMeta, rules } from './schema.ts';

/**
 * Permissions of an API key. `mcp:read` and `api:read` allow only tools and requests that change nothing. `probe` allows only initialize,
 * server/discover and tools/list.
 */
export const apiKeyScopes = ['mcp', 'api', 'mcp:read', 'api:read', 'probe'] as const;
export type ApiKeyScope = (typeof apiKeyScopes)[number];

/** `spec` of an ApiKey: the stored facts about a key. The key itself is shown once and not stored. */
export const apiKeySpec = z
  .strictObject({
    displayName: lineOf(100).min(1).describe('Name shown to people.'),
    keyId: z
      .string()
      .regex(/^[0-9A-Za-z]{12}$/)
      .describe('Public part of the key, after tnt_.'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('SHA-256 of the whole key, hexadecimal. The key itself is stored nowhere.'),
    scopes: z.array(z.enum(apiKeyScopes)).min(1).max(5).describe('Permissions of the key.').meta({ 'x-kubernetes-list-type': 'set' }),
    expiresAt: z.iso.datetime({ offset: true }).optional().describe('When it expires; never when left out.'),
    createdBy: lineOf(200).optional().describe('Creator of the key.'),
  })
  .describe('An API key of the tenant whose namespace it is in.')
  .meta(rules.cel({ rule: 'self == oldSelf', message: 'an API key is immutable: delete it and create another' }));

/** An ApiKey as the API server returns it, in the namespace of its tenant. */
export interface ApiKey {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'ApiKey';
  readonly metadata: ObjectMeta;
  readonly spec: z.infer<typeof apiKeySpec>;
}

/** Most API keys that the Admin API creates for one tenant. */
export const apiKeyLimit = 100;

/** Name of the ApiKey object of a key. */
export function apiKeyName(sha256: string): string {
  return `key-${sha256.slice(0, 16)}`;
}

/** Record of an API key for a pod; never the key itself. The mounted file is a JSON array of records. */
export interface ApiKeyRecord {
  /** Public part of the key. Logs and lists may show it. */
  readonly id: string;
  /** Name of the key for people. */
  readonly name: string;
  /** SHA-256 of the whole key, hexadecimal. */
  readonly sha256: string;
  readonly scopes: readonly ApiKeyScope[];
  /** RFC 3339. Without it the key does not expire. */
  readonly expiresAt?: string;
}

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function random(length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}

/**
 * Generates a key, `tnt_<id:12>_<secret:32><checksum:6>`: a fixed prefix for secret scanners, 190 bits of secret, and a checksum against
 * typing errors.
 */
export function generateApiKey(): string {
  const body = `tnt_${random(12)}_${random(32)}`;
  return body + checksum(body);
}

/** The public id of a well-formed key; undefined if prefix, length or checksum is wrong. */
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
