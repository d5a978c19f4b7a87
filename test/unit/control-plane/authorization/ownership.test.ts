import { describe, expect, test } from 'vitest';
import { marksOf, ownerOf, ownershipOf, precedes } from '../../../../control-plane/authorization/ownership.ts';
import type { Tenant } from '../../../../crds/tenant.ts';

const here = 'https://mcp.example';
const tenant = (name: string, uid: string, creationTimestamp = '2026-01-01T00:00:00Z'): Tenant => ({
  apiVersion: 'tenantry.dev/v1alpha1',
  kind: 'Tenant',
  metadata: { name, uid, creationTimestamp },
  spec: { template: { name: 'plain' }, deletionPolicy: 'retain' },
});
const acme = ownerOf(tenant('acme', 'uid-1'), here);

describe('the ownership of an organization is', () => {
  test.each<[string, Record<string, string>, ReturnType<typeof ownershipOf>]>([
    ['own by the UID', marksOf(acme), 'own'],
    [
      "own by the UID, also after a change of the installation's URL",
      { ...marksOf(acme), tenantry_installation: 'https://before.example' },
      'own',
    ],
    ['free when its tenant was replaced by one of the same name', marksOf({ ...acme, uid: 'uid-0' }), 'free'],
    ['free when a person assigned it to the name', { tenantry_tenant: 'acme' }, 'free'],
    [
      'free when a person of another installation assigned it to the name',
      { tenantry_tenant: 'acme', tenantry_installation: 'https://elsewhere.example' },
      'free',
    ],
    [
      'taken by a tenant of the same name in another installation',
      marksOf({ ...acme, uid: 'uid-0', installation: 'https://elsewhere.example' }),
      'taken',
    ],
    ['taken by another tenant', marksOf({ ...acme, uid: 'uid-2', name: 'globex' }), 'taken'],
    ['taken when assigned to another tenant', { tenantry_tenant: 'globex' }, 'taken'],
    ['taken by a UID alone', { tenantry_tenant_uid: 'uid-2' }, 'taken'],
    ['taken by a UID in the mark of the name', { tenantry_tenant: 'uid-1', tenantry_tenant_uid: 'uid-2' }, 'taken'],
    ['unmarked without marks', { tier: 'diamond' }, 'unmarked'],
  ])('%s', (_name, metadata, holding) => {
    expect(ownershipOf(metadata, acme)).toBe(holding);
  });

  test('never own for a tenant without a UID', () => {
    expect(ownershipOf({ tenantry_tenant: 'globex', tenantry_tenant_uid: '' }, { ...acme, uid: '' })).toBe('taken');
  });
});

test("marks fit WorkOS's limits: keys of 40 characters, values of 600", () => {
  const longest = marksOf({ uid: 'u'.repeat(36), name: 'n'.repeat(40), installation: `https://${'h'.repeat(253)}/path` });
  for (const [key, value] of Object.entries(longest)) {
    expect(key.length).toBeLessThanOrEqual(40);
    expect(value.length).toBeLessThanOrEqual(600);
  }
});

test('the older of two claimants precedes, or else the first by name', () => {
  const [old, a, b] = [tenant('z', '1'), tenant('a', '2', '2026-01-01T00:00:01Z'), tenant('b', '3', '2026-01-01T00:00:01Z')];
  for (const [first, second] of [
    [old, a],
    [old, b],
    [a, b],
  ] as const)
    expect([precedes(first, second), precedes(second, first)]).toEqual([true, false]);
});
