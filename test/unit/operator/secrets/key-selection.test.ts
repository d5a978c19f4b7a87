import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type ApiKey, apiKeyName } from '../../../../crds/api-keys.ts';
import { labels } from '../../../../crds/names.ts';
import { fittingKeys, keyFileBytes, recordOfObject, validKeys } from '../../../../operator/secrets/key-selection.ts';

const now = new Date('2026-06-01T00:00:00Z');

/** Key number `index`, made that many minutes after the first. */
function keyOf(index: number, options: { displayName?: string; expiresAt?: string } = {}): ApiKey {
  const sha256 = createHash('sha256').update(`key ${index}`).digest('hex');
  const creationTimestamp = new Date(Date.parse('2026-01-01T00:00:00Z') + index * 60_000).toISOString();
  const { displayName = 'x'.repeat(100), expiresAt } = options;
  return {
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'ApiKey',
    metadata: { name: apiKeyName(sha256), namespace: 'tenant-acme', creationTimestamp },
    spec: { displayName, keyId: sha256.slice(0, 12), sha256, scopes: ['mcp'], ...(expiresAt === undefined ? {} : { expiresAt }) },
  };
}

const many = (count: number): ApiKey[] => [...Array(count).keys()].map((index) => keyOf(index));
const sizeOf = (keys: readonly ApiKey[]): number => Buffer.byteLength(JSON.stringify(keys.map(recordOfObject)));

describe('the keys that fit into the file', () => {
  test('are all of them, as they are, where there is room', () => {
    const keys = many(500).reverse();
    expect(fittingKeys(keys, now)).toEqual(keys);
  });

  test('are the oldest where there is not, so that a new key drives none out', () => {
    const keys = many(6_000);
    const kept = fittingKeys(keys.toReversed(), now);
    expect(kept.length).toBeGreaterThan(3_000);
    expect(kept.length).toBeLessThan(6_000);
    expect(new Set(kept)).toEqual(new Set(keys.slice(0, kept.length)));
    expect(sizeOf(kept)).toBeLessThan(keyFileBytes);
    expect(fittingKeys([...keys, keyOf(7_000)], now)).toEqual(keys.slice(0, kept.length));
  });

  test('are those that still are valid, before older ones that are not', () => {
    const expired = [0, 1, 2].map((index) => keyOf(index, { expiresAt: '2026-05-31T23:59:59Z' }));
    const valid = [3, 4, 5].map((index) => keyOf(index, { expiresAt: '2026-06-01T00:00:01Z' }));
    const room = valid.reduce((bytes, key) => bytes + sizeOf([key]), 0);
    expect(fittingKeys([...expired, ...valid], now, room)).toEqual(valid);
  });

  test('a revoked key makes room for the next', () => {
    const keys = many(6_000);
    const kept = fittingKeys(keys, now);
    const next = keys[kept.length];
    expect(fittingKeys(keys.slice(1), now)).toContain(next);
  });

  test('are measured in bytes, not in characters', () => {
    const keys = [...Array(3_000).keys()].map((index) => keyOf(index, { displayName: '🔑'.repeat(50) }));
    expect(sizeOf(fittingKeys(keys, now))).toBeLessThan(keyFileBytes);
  });
});

describe('the keys of a tenant', () => {
  const since = '2026-01-01T00:00:00.000Z';
  const changed = (key: ApiKey, metadata: Partial<ApiKey['metadata']>): ApiKey => ({ ...key, metadata: { ...key.metadata, ...metadata } });
  const key = keyOf(1);

  test('are in the order of their names', () => {
    const names = validKeys(many(20), 'uid', since).map(({ metadata }) => metadata.name);
    expect(names).toHaveLength(20);
    expect(names).toEqual(names.toSorted());
  });

  test('count from the moment at which the namespace was made', () => {
    expect(validKeys([keyOf(0)], 'uid', since)).toHaveLength(1);
    expect(validKeys([changed(key, { creationTimestamp: '2025-12-31T23:59:59.000Z' })], 'uid', since)).toEqual([]);
    const { creationTimestamp: _, ...undated } = key.metadata;
    expect(validKeys([{ ...key, metadata: undated }], 'uid', since)).toEqual([]);
  });

  test('have no label, or that of the tenant', () => {
    expect(validKeys([changed(key, { labels: { [labels.tenantUid]: 'uid' } })], 'uid', since)).toHaveLength(1);
    expect(validKeys([changed(key, { labels: { other: 'x' } })], 'uid', since)).toHaveLength(1);
    expect(validKeys([changed(key, { labels: { [labels.tenantUid]: 'other' } })], 'uid', since)).toEqual([]);
  });

  test('are not being deleted', () => {
    expect(validKeys([changed(key, { deletionTimestamp: since })], 'uid', since)).toEqual([]);
  });

  test('are named after their hash', () => {
    expect(validKeys([changed(key, { name: keyOf(2).metadata.name })], 'uid', since)).toEqual([]);
  });
});
