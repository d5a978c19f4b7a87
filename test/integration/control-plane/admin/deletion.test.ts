import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { dataOnDeletion, effectiveDeletionPolicyOf } from '../../../../crds/deletion.ts';
import { annotations } from '../../../../crds/names.ts';
import type { Tenant } from '../../../../crds/tenant.ts';
import { type KubeObject, kinds, type Resource } from '../../../../kube/resources.ts';
import type { WorkosStandIn } from '../../../../local/workos/start.ts';
import { eventually } from '../../../eventually.ts';
import { type Cluster, openWorkos, startCluster, startPlane } from '../cluster.ts';
import { KubernetesProxy } from '../kubernetes-proxy.ts';

let cluster: Cluster;
let workos: WorkosStandIn;
let proxy: KubernetesProxy;
let plane: Awaited<ReturnType<typeof startPlane>>;
let token: string;

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  const kubeconfig = join(cluster.workosDir, 'through-proxy');
  proxy = await KubernetesProxy.start(cluster.kubeconfig, kubeconfig);
  const platform = workos.createOrganization({ name: 'Platform' }).id;
  const user = await workos.createUser({ email: 'admin@example.com', password: 'a password for tests' });
  workos.createMembership({ userId: user.id, organizationId: platform, roleSlug: 'platform-admin' });
  const permissions = ['tenants:read', 'tenants:write', 'tenants:delete'];
  token = await workos.adminToken({ userId: user.id, organizationId: platform, role: 'platform-admin', permissions });
  plane = await startPlane(cluster, workos, { kubeconfig, platformOrganizationId: platform });
});

afterAll(async () => {
  await plane.stop();
  proxy.stop();
  await workos.close();
  await cluster.stop();
});

afterEach(() => {
  proxy.rule = () => 'passed';
});

async function call(method: string, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(plane.url + path, { method, headers: { authorization: `Bearer ${token}`, ...headers } });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, type: String(body['type']).split('/').at(-1), body };
}

/** A Tenant that its deletion leaves in place, as the operator does while it takes it apart, once nobody writes to it any more. */
async function held(name: string, deletionPolicy: 'retain' | 'delete' = 'retain'): Promise<Tenant> {
  const metadata = { name, finalizers: ['test.tenantry.dev/hold'] };
  await cluster.client.create<Tenant>(kinds.Tenant, { metadata, ...{ spec: { template: { name: 'plain' }, deletionPolicy } } });
  return eventually('the control plane has written its part', async () => {
    const tenant = await stored(name);
    return tenant.status?.conditions?.some(({ type }) => type === 'AuthorizationReady') && tenant;
  });
}

const stored = (name: string) => cluster.client.get<Tenant>(kinds.Tenant, name);
const wordOf = ({ metadata }: Tenant) => metadata.annotations?.[annotations.dataOnDeletion];
const isDeletion = ({ method, path }: { method: string; path: string }) => method === 'DELETE' && path.includes('/tenants/');
/** Another writer, such as the operator with its status. */
const touch = (name: string, change: object) => cluster.client.patch(kinds.Tenant, name, change);
const touchStatus = (name: string) =>
  cluster.client.apply(
    kinds.Tenant,
    { metadata: { name }, ...{ status: { observedGeneration: Math.floor(Math.random() * 1e6) } } },
    { fieldManager: 'tenantry-operator', subresource: 'status' },
  );

describe('a deletion that fails after its choice was stored', () => {
  test('with an unavailable Kubernetes API: a later deletion keeps the data', async () => {
    await held('gone');
    let gone = false;
    proxy.rule = (request) => {
      gone ||= isDeletion(request);
      return gone ? 'dropped' : 'passed';
    };
    const answer = await call('DELETE', '/admin/tenants/gone?data=delete');
    expect([answer.status, answer.type]).toEqual([503, 'kubernetes-unavailable']);
    const left = await stored('gone');
    expect([left.metadata.deletionTimestamp, left.spec.deletionPolicy]).toEqual([undefined, 'retain']);
    // The word stands there still, and is worth nothing for what happens more than a minute later.
    const later = new Date(Date.now() + 61_000).toISOString();
    expect(effectiveDeletionPolicyOf({ ...left, metadata: { ...left.metadata, deletionTimestamp: later } })).toBe('retain');
  });

  test('with a short outage of the Kubernetes API: withdraws the choice', async () => {
    await held('back');
    proxy.rule = (request) => (isDeletion(request) ? 'dropped' : 'passed');
    expect((await call('DELETE', '/admin/tenants/back?data=delete')).status).toBe(503);
    const left = await stored('back');
    expect([wordOf(left), left.metadata.deletionTimestamp, left.spec.deletionPolicy]).toEqual([undefined, undefined, 'retain']);
    proxy.rule = () => 'passed';
    await cluster.client.delete(kinds.Tenant, 'back');
    expect(effectiveDeletionPolicyOf(await stored('back'))).toBe('retain');
  });

  test('with a lost answer: finds the deletion that has begun', async () => {
    await held('lost');
    proxy.rule = (request) => (isDeletion(request) ? 'lost' : 'passed');
    const answer = await call('DELETE', '/admin/tenants/lost?data=delete');
    expect([answer.status, answer.body['deletedAt']]).toEqual([202, expect.any(String)]);
    expect(effectiveDeletionPolicyOf(await stored('lost'))).toBe('delete');
  });

  test('refused by a policy of the cluster: withdraws the choice', async () => {
    const name = 'no-deletion';
    const policy = (kind: string): Resource => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind,
      plural: `${kind.toLowerCase().replace(/y$/, 'ie')}s`,
      namespaced: false,
    });
    const rule = { apiGroups: ['tenantry.dev'], apiVersions: ['*'], resources: ['tenants'], operations: ['DELETE'] };
    const refusing = {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: "!(oldObject.metadata.name in ['kept', 'tried'])", message: 'nobody deletes kept', reason: 'Forbidden' }],
    };
    const create = (resource: Resource, spec: object) => cluster.client.create(resource, { metadata: { name }, spec } as KubeObject);
    await create(policy('ValidatingAdmissionPolicy'), refusing);
    await create(policy('ValidatingAdmissionPolicyBinding'), { policyName: name, validationActions: ['Deny'] });
    await held('kept');
    await eventually('the policy is in force', async () => {
      await cluster.client.create(kinds.Tenant, { metadata: { name: 'tried' }, ...{ spec: { template: { name: 'plain' } } } });
      return cluster.client.delete(kinds.Tenant, 'tried').then(
        () => false,
        () => true,
      );
    });

    const answer = await call('DELETE', '/admin/tenants/kept?data=delete');
    expect([answer.status, answer.type]).toEqual([409, 'refused-by-cluster']);
    expect(answer.body['detail']).toContain('nobody deletes kept');
    const left = await stored('kept');
    expect([wordOf(left), left.metadata.deletionTimestamp]).toEqual([undefined, undefined]);
  });
});

describe('the deletion of a tenant that changes meanwhile', () => {
  test('continues after a change of the status, also with If-Match', async () => {
    const ifMatch = { 'if-match': `"${(await held('busy')).metadata.resourceVersion}"` };
    let left = 3;
    proxy.rule = async (request): Promise<'passed'> => {
      if (isDeletion(request) && left-- > 0) await touchStatus('busy');
      return 'passed';
    };
    expect((await call('DELETE', '/admin/tenants/busy?data=delete', ifMatch)).status).toBe(202);
    expect([left, effectiveDeletionPolicyOf(await stored('busy'))]).toEqual([-1, 'delete']);
  });

  test('answers 412 after a change of the spec, and withdraws the choice', async () => {
    const ifMatch = { 'if-match': `"${(await held('changed')).metadata.resourceVersion}"` };
    let changed = false;
    proxy.rule = async (request): Promise<'passed'> => {
      if (isDeletion(request) && !changed) {
        changed = true;
        await touch('changed', { spec: { displayName: 'Other' } });
      }
      return 'passed';
    };
    const answer = await call('DELETE', '/admin/tenants/changed?data=delete', ifMatch);
    expect([answer.status, answer.type]).toEqual([412, 'precondition-failed']);
    const left = await stored('changed');
    expect([wordOf(left), left.metadata.deletionTimestamp, left.spec.deletionPolicy]).toEqual([undefined, undefined, 'retain']);
  });

  test('answers 409 after changes during every attempt, and withdraws the choice', async () => {
    await held('restless');
    proxy.rule = async (request): Promise<'passed'> => {
      if (isDeletion(request)) await touchStatus('restless');
      return 'passed';
    };
    const answer = await call('DELETE', '/admin/tenants/restless?data=delete');
    expect([answer.status, answer.type]).toEqual([409, 'conflict']);
    expect(wordOf(await stored('restless'))).toBeUndefined();
  });
});

describe('the choice for the data', () => {
  const deleted = (word: string | undefined, policy: 'retain' | 'delete'): Tenant => ({
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'Tenant',
    metadata: {
      name: 'x',
      deletionTimestamp: '2026-11-21T12:00:00Z',
      ...(word === undefined ? {} : { annotations: { [annotations.dataOnDeletion]: word } }),
    },
    spec: { template: { name: 'plain' }, deletionPolicy: policy },
  });

  test.each([
    ['none', undefined, 'retain', 'retain'],
    ['none', undefined, 'delete', 'delete'],
    ['to delete, just before', dataOnDeletion('delete', new Date('2026-11-21T11:59:58Z')), 'retain', 'delete'],
    ['to delete, by a clock slightly ahead', dataOnDeletion('delete', new Date('2026-11-21T12:00:20Z')), 'retain', 'delete'],
    ['to delete, of long ago', dataOnDeletion('delete', new Date('2026-11-21T11:58:59Z')), 'retain', 'retain'],
    ['to delete, without a time', 'delete', 'retain', 'retain'],
    ['to delete, with a malformed time', 'delete tomorrow', 'retain', 'retain'],
    ['to retain, just before', dataOnDeletion('retain', new Date('2026-11-21T11:59:58Z')), 'delete', 'retain'],
    ['to retain, of long ago', dataOnDeletion('retain', new Date('2025-11-21T12:00:00Z')), 'delete', 'retain'],
  ] as const)('%s', (_what, word, policy, fate) => {
    expect(effectiveDeletionPolicyOf(deleted(word, policy))).toBe(fate);
  });

  test('of a failed deletion is replaced by a later choice to retain', async () => {
    await held('second', 'delete');
    await touch('second', { metadata: { annotations: { [annotations.dataOnDeletion]: dataOnDeletion('delete', new Date()) } } });
    expect((await call('DELETE', '/admin/tenants/second?data=retain')).status).toBe(202);
    expect(effectiveDeletionPolicyOf(await stored('second'))).toBe('retain');
    expect((await call('DELETE', '/admin/tenants/second?data=delete')).type).toBe('tenant-deleting');
  });
});
