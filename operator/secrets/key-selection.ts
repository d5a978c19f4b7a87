import { type ApiKey, type ApiKeyRecord, apiKeyName } from '../../crds/api-keys.ts';
import { labels } from '../../crds/names.ts';

/**
 * The valid keys among `found` for a tenant whose namespace was created at `since`, ordered by name. A key is invalid if its name does not
 * match its hash. It is also invalid if it is older than the namespace or carries the label of another tenant, because it then belonged to
 * a namesake.
 */
export function validKeys(found: readonly ApiKey[], uid: string, since: string): ApiKey[] {
  return found
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined && (metadata.creationTimestamp ?? '') >= since)
    .filter(({ metadata }) => (metadata.labels?.[labels.tenantUid] ?? uid) === uid)
    .filter(({ metadata, spec }) => metadata.name === apiKeyName(spec.sha256))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** Most bytes of ApiKey records in the file. A Secret holds 1 MiB, and the generated keys need some of it. */
export const keyFileBytes = 960 * 1024;

/**
 * The keys that fit into the file, in the same order. If not all fit, keys that are still valid take precedence, and then the oldest, so
 * that a new key never displaces a working one.
 */
export function fittingKeys(keys: readonly ApiKey[], now: Date, bytes: number = keyFileBytes): ApiKey[] {
  const expired = ({ spec }: ApiKey): number => (spec.expiresAt !== undefined && Date.parse(spec.expiresAt) <= now.getTime() ? 1 : 0);
  const since = ({ metadata }: ApiKey): string => `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
  const byMerit = keys.toSorted((a, b) => expired(a) - expired(b) || (since(a) < since(b) ? -1 : 1));
  const kept = new Set<ApiKey>();
  let room = bytes;
  for (const key of byMerit) {
    room -= Buffer.byteLength(JSON.stringify(recordOfObject(key))) + 1;
    if (room < 0) break;
    kept.add(key);
  }
  return keys.filter((key) => kept.has(key));
}

/** Record of a key for the pods. */
export function recordOfObject({ spec }: ApiKey): ApiKeyRecord {
  const { keyId: id, displayName: name, sha256, scopes, expiresAt } = spec;
  return { id, name, sha256, scopes, ...(expiresAt === undefined ? {} : { expiresAt }) };
}
