import { describe, expect, test } from 'vitest';
import { dataOnDeletion, effectiveDeletionPolicyOf } from '../../../crds/deletion.ts';
import { annotations } from '../../../crds/names.ts';
import { dataPolicyOf, type TenantSpec } from '../../../crds/tenant.ts';
import { tenant } from '../gen.ts';

const deletedAt = new Date('2026-01-01T00:10:00Z');

function policy(spec: object, choice: string | undefined) {
  const one = tenant(spec);
  const chosen = choice === undefined ? {} : { annotations: { [annotations.dataOnDeletion]: choice } };
  return effectiveDeletionPolicyOf({ ...one, metadata: { ...one.metadata, deletionTimestamp: deletedAt.toISOString(), ...chosen } });
}

const secondsBefore = (seconds: number): Date => new Date(deletedAt.getTime() - seconds * 1000);

describe('the effect of a deletion on the data', () => {
  test.each([
    ['delete', 0, 'delete'],
    ['delete', 60, 'delete'],
    ['delete', 61, 'retain'],
    ['delete', -60, 'delete'],
    ['delete', -61, 'retain'],
    ['retain', 0, 'retain'],
  ] as const)('chosen as %s %i seconds before the deletion is %s', (choice, seconds, effect) => {
    expect(policy({ deletionPolicy: 'retain' }, dataOnDeletion(choice, secondsBefore(seconds)))).toBe(effect);
  });

  test('chosen as retain holds, however old the choice is', () => {
    expect(policy({ deletionPolicy: 'delete' }, dataOnDeletion('retain', secondsBefore(86_400)))).toBe('retain');
  });

  test.each([undefined, '', 'delete', 'delete never', 'destroy 2026-01-01T00:10:00Z', 'delete 2026-01-01T00:10:00Z now'])(
    'is that of the spec with the choice %j',
    (choice) => {
      expect(policy({ deletionPolicy: 'retain' }, choice)).toBe('retain');
      expect(policy({ deletionPolicy: 'delete' }, choice)).toBe('delete');
    },
  );

  test.each([
    [{}, 'retain'],
    [{ deletionPolicy: 'delete' }, 'delete'],
    [{ deletionPolicy: 'delete', database: { deletionPolicy: 'retain' } }, 'retain'],
    [{ database: { deletionPolicy: 'delete' } }, 'delete'],
  ])('of the spec %j is %s', (spec, effect) => {
    expect(dataPolicyOf(tenant(spec).spec)).toBe(effect);
    expect(dataPolicyOf({ template: { name: 'x' }, ...spec } as TenantSpec)).toBe(effect);
  });
});
