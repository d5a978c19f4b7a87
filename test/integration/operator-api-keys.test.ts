import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiKeyRecord, type ApiKeyScope, apiKeyName, generateApiKey, recordOf } from '../../crds/api-keys.ts';
import { labels, namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { manifest, mcpOf, statusWith } from '../customer.ts';
import { World } from '../world.ts';

const world = new World();
const name = world.name('keys');
const namespace = namespaceOf(name);
let tenant: Tenant;
let generation: number | undefined;

beforeAll(async () => {
  expect(await world.kubectl(['apply', '-f', '-'], manifest(name, { deletionPolicy: 'delete' }))).toMatchObject({ code: 0 });
  tenant = await world.ready(name);
  generation = await deploymentGeneration();
});

afterAll(() => world.remove(name));

async function deploymentGeneration(): Promise<number | undefined> {
  const { metadata } = await world.kube.get<KubeObject>(kinds.Deployment, 'stack', { namespace });
  return metadata.generation;
}

async function keysFile(): Promise<ApiKeyRecord[]> {
  return JSON.parse((await world.secret(name, 'tenantry-api-keys'))['keys.json'] ?? '[]') as ApiKeyRecord[];
}

/** Creates the object of a new key, and returns the key. */
async function create(displayName: string, options: { scopes?: ApiKeyScope[]; expiresAt?: string; name?: string; uid?: string } = {}) {
  const key = generateApiKey();
  const { id: keyId, sha256 } = recordOf(key, displayName, []);
  const metadata = {
    name: options.name ?? apiKeyName(sha256),
    namespace,
    labels: { [labels.tenantUid]: options.uid ?? tenant.metadata.uid ?? '' },
  };
  const { scopes = ['mcp'], expiresAt } = options;
  const spec = { displayName, keyId, sha256, scopes, ...(expiresAt ? { expiresAt } : {}) };
  await world.kube.create(kinds.ApiKey, { metadata, ...{ spec } });
  return { key, sha256, name: metadata.name };
}

const listed = (sha256: string, wanted: boolean) =>
  world.eventually('the file of keys', 1_000, async () =>
    (await keysFile()).some((record) => record.sha256 === sha256) === wanted ? true : undefined,
  );

const answers = (key: string, status: number) =>
  world.eventually(`an answer ${status}`, 10_000, async () => ((await statusWith(mcpOf(tenant), key)) === status ? true : undefined));

test('a key is in the Secret within a second of its creation and out within a second of its end, without a new pod', async () => {
  const before = await keysFile();
  const made = await create('robot');
  await listed(made.sha256, true);
  expect((await keysFile()).slice(0, before.length)).toEqual(before);
  await answers(made.key, 200);
  await world.kube.delete(kinds.ApiKey, made.name, { namespace });
  await listed(made.sha256, false);
  await answers(made.key, 401);
  // A kubelet looks at a pod's files when the pod changes, and else once a minute.
  const { metadata } = await world.kube.get<KubeObject>(kinds.Secret, 'tenantry-api-keys', { namespace });
  await world.eventually('a changed pod', 5_000, async () => {
    const { items } = await world.kube.list<KubeObject>(kinds.Pod, { namespace, labelSelector: 'app.kubernetes.io/component=stack' });
    const [pod, ...more] = items;
    return more.length === 0 && pod?.metadata.annotations?.['tenantry.dev/keys'] === metadata.resourceVersion ? true : undefined;
  });
  expect(await deploymentGeneration()).toBe(generation);
});

test('scopes and expiry are passed on', async () => {
  const expiresAt = '2020-01-01T00:00:00Z';
  const made = await create('old', { scopes: ['mcp:read', 'api'], expiresAt });
  await listed(made.sha256, true);
  expect((await keysFile()).find(({ sha256 }) => sha256 === made.sha256)).toMatchObject({
    name: 'old',
    scopes: ['mcp:read', 'api'],
    expiresAt,
  });
  expect(await statusWith(mcpOf(tenant), made.key)).toBe(401);
});

test("a key that is not named after its hash, and a namesake's, are ignored", async () => {
  const misnamed = await create('misnamed', { name: 'key-0000000000000000' });
  const theirs = await create('theirs', { uid: '00000000-0000-0000-0000-000000000000' });
  const good = await create('good');
  await listed(good.sha256, true);
  const known = (await keysFile()).map(({ sha256 }) => sha256);
  for (const { sha256 } of [misnamed, theirs]) expect(known).not.toContain(sha256);
});

test('the API server takes neither a change nor half a key', async () => {
  const { name: made } = await create('fixed');
  await expect(world.kube.patch(kinds.ApiKey, made, { spec: { scopes: ['api'] } }, { namespace })).rejects.toThrow(/immutable/);
  const spec = { displayName: 'x', keyId: 'short', sha256: 'abc', scopes: [] };
  await expect(world.kube.create(kinds.ApiKey, { metadata: { name: 'half', namespace }, ...{ spec } })).rejects.toThrow(/keyId/);
});

test('a lost Secret is remade with all of them', async () => {
  const made = await create('survivor');
  await listed(made.sha256, true);
  const before = await keysFile();
  await world.kube.delete(kinds.Secret, 'tenantry-api-keys', { namespace });
  // Secrets are not watched: the next key has the tenant looked at.
  const next = await create('next');
  await world.object(kinds.Secret, 'tenantry-api-keys', namespace, (secret) => secret !== undefined);
  const after = await keysFile();
  for (const record of before) expect(after).toContainEqual(record);
  expect(after.map(({ sha256 }) => sha256)).toContain(next.sha256);
  await answers(made.key, 200);
});
