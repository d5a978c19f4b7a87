import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiKey, apiKeyLimit, apiKeyName, generateApiKey, recordOf } from '../../../../crds/api-keys.ts';
import { namespaceOf } from '../../../../crds/names.ts';
import { kinds } from '../../../../kube/resources.ts';
import { AdminApi, expectProblem, pointersOf } from '../../../admin-api.ts';
import { mcpOf, newCustomer, statusWith, viaApi } from '../../../customer.ts';
import { World } from '../../../world.ts';

const api = new AdminApi();
const world = new World();
let name: string;
let mcp: string;

beforeAll(async () => {
  const customer = await newCustomer(world, viaApi);
  name = customer.name;
  mcp = mcpOf(customer.tenant);
});

afterAll(async () => {
  await world.remove(name);
  await world.kube.close();
});

const keys = (path = '') => `/admin/tenants/${name}/api-keys${path}`;
const objects = async () => (await world.kube.list<ApiKey>(kinds.ApiKey, { namespace: namespaceOf(name) })).items;
const until = (status: number, key: string) =>
  world.eventually(`the key is answered ${status}`, 60_000, async () => ((await statusWith(mcp, key)) === status ? true : undefined));

test('a key is shown once, works, records its use and can be revoked', async () => {
  const created = await api.call('POST', keys(), { name: 'nightly', scopes: ['mcp'] });
  expect(created.status).toBe(201);
  const { key, id } = created.body as { key: string; id: string };
  expect(key.startsWith(`tnt_${id}_`)).toBe(true);

  const listed = await api.call('GET', keys());
  const { key: _key, ...shown } = created.body;
  expect(listed.body['items']).toEqual([shown]);
  expect(JSON.stringify(listed.body)).not.toContain(key);
  const [object] = await objects();
  expect(object?.spec).toMatchObject({ keyId: id, displayName: 'nightly', sha256: createHash('sha256').update(key).digest('hex') });
  expect(JSON.stringify(await objects())).not.toContain(key);

  await until(200, key);
  await world.eventually('its last use is known', 60_000, async () => {
    const [known] = (await api.call('GET', keys())).body['items'] as { lastUsedAt?: string }[];
    return known?.lastUsedAt;
  });

  expect((await api.call('DELETE', keys(`/${id}`))).status).toBe(204);
  expectProblem(await api.call('DELETE', keys(`/${id}`)), 404, 'api-key-not-found');
  expect(await objects()).toEqual([]);
  await until(401, key);
});

test('an invalid key is refused with pointers', async () => {
  const answer = await api.call('POST', keys(), { name: '', scopes: ['mcp', 'root'], expiresAt: 'tomorrow' });
  expectProblem(answer, 422, 'invalid');
  expect(pointersOf(answer)).toEqual(['/expiresAt', '/name', '/scopes/1']);
  const past = await api.call('POST', keys(), { name: 'late', scopes: ['mcp'], expiresAt: '2020-01-01T00:00:00Z' });
  expect(pointersOf(past)).toEqual(['/expiresAt']);
  expect(await objects()).toEqual([]);
});

test('at the limit a key must be revoked first, even an expired one', async () => {
  const expired = [...Array(apiKeyLimit).keys()].map(async (index) => {
    const { id: keyId, sha256 } = recordOf(generateApiKey(), 'many', []);
    const metadata = { name: apiKeyName(sha256), namespace: namespaceOf(name) };
    const spec = { displayName: `many ${index}`, keyId, sha256, scopes: ['mcp'], expiresAt: '2020-01-01T00:00:00Z' };
    await world.kube.create(kinds.ApiKey, { metadata, ...{ spec } });
    return keyId;
  });
  const [first] = await Promise.all(expired);
  const refused = await api.call('POST', keys(), { name: 'one more', scopes: ['mcp'] });
  expectProblem(refused, 409, 'api-key-limit-reached');
  expect(refused.body['detail']).toContain(`has ${apiKeyLimit} API keys, which is the limit`);
  expect(await objects()).toHaveLength(apiKeyLimit);
  expect((await api.call('DELETE', keys(`/${first}`))).status).toBe(204);
  const created = await api.call('POST', keys(), { name: 'one more', scopes: ['mcp'] });
  expect(created.status).toBe(201);
  await until(200, (created.body as { key: string }).key);
});

test('a ResourceQuota of the platform is reported as the limit', async () => {
  const quota = { metadata: { name: 'own', namespace: namespaceOf(name) }, ...{ spec: { hard: { 'count/apikeys.tenantry.dev': '0' } } } };
  await world.kube.create(kinds.ResourceQuota, quota);
  for (const { metadata } of await objects()) await world.kube.delete(kinds.ApiKey, metadata.name, { namespace: namespaceOf(name) });
  // The quota takes a moment to count, and until its usage is known, which may take minutes, Kubernetes refuses in other words.
  const refused = await world.eventually('a refusal', 30_000, async () => {
    const answer = await api.call('POST', keys(), { name: 'one more', scopes: ['mcp'] });
    return answer.status === 201 ? undefined : answer;
  });
  expect(refused.status).toBe(409);
  expect(['api-key-limit-reached', 'tenant-not-ready']).toContain(String(refused.body['type']).split('/').at(-1));
  await world.kube.delete(kinds.ResourceQuota, 'own', { namespace: namespaceOf(name) });
});

test('a tenant without a namespace is answered 409', async () => {
  const early = world.name('early');
  const create = { name: early, template: { name: 'no-pods' } };
  await world.kube.create(kinds.StackTemplate, {
    metadata: { name: 'no-pods' },
    ...{ spec: { containers: [{ name: 'api', image: 'none' }] } },
  });
  try {
    // Paused, so that the operator makes no namespace.
    await world.kube.create(kinds.Tenant, {
      metadata: { name: early, annotations: { 'tenantry.dev/reconcile': 'paused' } },
      ...{ spec: { template: create.template } },
    });
    const answer = await api.call('POST', `/admin/tenants/${early}/api-keys`, { name: 'x', scopes: ['mcp'] });
    expectProblem(answer, 409, 'tenant-not-ready');
    expect(answer.headers.get('retry-after')).toBe('5');
    expect((await api.call('GET', `/admin/tenants/${early}/api-keys`)).body['items']).toEqual([]);
  } finally {
    await world.kube.patch(kinds.Tenant, early, { metadata: { annotations: null } });
    await world.remove(early);
    await world.kube.delete(kinds.StackTemplate, 'no-pods');
  }
});
