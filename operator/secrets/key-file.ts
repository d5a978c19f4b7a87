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

/** What the pods know of a key. */
export function recordOfObject({ spec }: ApiKey): ApiKeyRecord {
  const { keyId: id, displayName: name, sha256, scopes, expiresAt } = spec;
  return { id, name, sha256, scopes, ...(expiresAt === undefined ? {} : { expiresAt }) };
}
