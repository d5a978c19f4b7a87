import { describe, expect, test } from 'vitest';
import { faultsOfRefusal, refusalOf } from '../../../../control-plane/admin/refusals.ts';
import { KubeError } from '../../../../kube/errors.ts';

test('a template that RBAC refuses names both remedies', () => {
  const message =
    'stacktemplates.tenantry.dev "notes" is forbidden: User "cp" cannot patch resource "stacktemplates" in API group "tenantry.dev"';
  const problem = refusalOf(new KubeError(403, 'Forbidden', message));
  expect(problem).toMatchObject({
    code: 'refused-by-cluster',
    remedy: expect.stringMatching(/with kubectl, or set admin.writeTemplates/),
  });
  expect(refusalOf(new KubeError(403, 'Forbidden', 'cannot patch resource "tenants"'))).toBeInstanceOf(KubeError);
});

describe("the API server's refusals", () => {
  const refusal = (field: string, message: string) => faultsOfRefusal(new KubeError(422, 'Invalid', 'refused', [{ field, message }]));

  test.each([
    ['spec.replicas', 'Invalid value: must be less', '/replicas'],
    ['spec.containers[api].env[0].name', 'bad', '/containers/api/env/0/name'],
    ['metadata.name', 'reserved', '/name'],
    ['spec', 'Invalid value: organizationId is immutable once set: another organization needs another tenant', '/organizationId'],
    ['spec', 'database.mode is immutable: create another tenant instead', '/database/mode'],
    ['spec', 'nobody knows', ''],
  ])('%s: %s -> %j', (field, message, pointer) => {
    expect(refusal(field, message)[0]?.pointer).toBe(pointer);
  });
});
