import { describe, expect, test } from 'vitest';
import { isOlder, keyOf, kinds, pathOf } from '../../../kube/resources.ts';

describe('the path of an object', () => {
  test('follows group, namespace and subresource', () => {
    expect(pathOf(kinds.Pod, 'ns', 'a', 'status')).toBe('/api/v1/namespaces/ns/pods/a/status');
    expect(pathOf(kinds.Tenant, undefined, 'acme')).toBe('/apis/tenantry.dev/v1alpha1/tenants/acme');
    expect(pathOf(kinds.Deployment)).toBe('/apis/apps/v1/deployments');
    expect(pathOf(kinds.ClusterRole, undefined, 'system:node')).toBe('/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode');
  });

  test.each(['', '.', '..', 'acme/status', 'acme%2fstatus', '%2e'])(
    'does not lead elsewhere by the name %j: nothing is called so',
    (name) => {
      expect(() => pathOf(kinds.Tenant, undefined, name)).toThrow(expect.objectContaining({ status: 404 }));
      expect(() => pathOf(kinds.Pod, name, 'a')).toThrow(expect.objectContaining({ status: 404 }));
    },
  );
});

test('resource versions are compared as numbers, and only of the same object', () => {
  const at = (resourceVersion: string, uid = 'u') => ({ name: 'x', uid, resourceVersion });
  expect(isOlder(at('9'), at('10'))).toBe(true);
  expect(isOlder(at('10'), at('9'))).toBe(false);
  expect(isOlder(at('9'), at('9'))).toBe(false);
  expect(isOlder(at('9', 'v'), at('10'))).toBe(false);
});

test('the key of an object has its namespace, if it has one', () => {
  expect(keyOf({ metadata: { name: 'a', namespace: 'ns' } })).toBe('ns/a');
  expect(keyOf({ metadata: { name: 'a' } })).toBe('a');
});

test('an object of the cluster has no namespace in its path', () => {
  expect(pathOf(kinds.Tenant, 'ns', 'acme')).toBe('/apis/tenantry.dev/v1alpha1/tenants/acme');
});
