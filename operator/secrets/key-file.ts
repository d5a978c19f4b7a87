import { type ApiKey, type ApiKeyRecord, apiKeyName } from '../../crds/api-keys.ts';
import { labels } from '../../crds/names.ts';

/**
 * The keys among `found` that count for the tenant whose namespace was made at `since`, in the order of their names. One that is named
 * otherwise than its hash says was not made as keys are made; one that is older than the namespace, or labelled as another tenant's,
 * was a namesake's.
 */
export function validKeys(found: readonly ApiKey[], uid: string, since: string): ApiKey[] {
  return found
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined && (metadata.creationTimestamp ?? '') >= since)
    .filter(({ metadata }) => (metadata.labels?.[labels.tenantUid] ?? uid) === uid)
    .filter(({ metadata, spec }) => metadata.name === apiKeyName(spec.sha256))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** Bytes of the records of ApiKeys that a file may hold: a Secret takes 1 MiB, and the generated keys are in it too. */
export const keyFileBytes = 960 * 1024;

/**
 * As many of the keys as fit into the file, in the same order. Where not all do, those that are still valid come first, and then the oldest: a
 * key that works is not driven out by a new one.
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

/** What the pods know of a key. */
export function recordOfObject({ spec }: ApiKey): ApiKeyRecord {
  const { keyId: id, displayName: name, sha256, scopes, expiresAt } = spec;
  return { id, name, sha256, scopes, ...(expiresAt === undefined ? {} : { expiresAt }) };
}
