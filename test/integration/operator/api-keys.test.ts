import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiKeyRecord, type ApiKeyScope, apiKeyName, generateApiKey, recordOf } from '../../../crds/api-keys.ts';
import { labels, namespaceOf } from '../../../crds/names.ts';
import type { StackTemplate } from '../../../crds/stack-template.ts';
import type { Tenant } from '../../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import { manifest, mcpOf, statusWith } from '../../customer.ts';
import { World } from '../../world.ts';

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

async function keysFile(tenant = name): Promise<ApiKeyRecord[]> {
  return JSON.parse((await world.secret(tenant, 'tenantry-api-keys'))['keys.json'] ?? '[]') as ApiKeyRecord[];
}

/** Creates the object of a new key, and returns the key. */
async function create(
  displayName: string,
  options: { scopes?: ApiKeyScope[]; expiresAt?: string; name?: string; uid?: string; namespace?: string } = {},
) {
  const key = generateApiKey();
  const { id: keyId, sha256 } = recordOf(key, displayName, []);
  const metadata = {
    name: options.name ?? apiKeyName(sha256),
    namespace: options.namespace ?? namespace,
    labels: { [labels.tenantUid]: options.uid ?? tenant.metadata.uid ?? '' },
  };
  const { scopes = ['mcp'], expiresAt } = options;
  const spec = { displayName, keyId, sha256, scopes, ...(expiresAt ? { expiresAt } : {}) };
  await world.kube.create(kinds.ApiKey, { metadata, ...{ spec } });
  return { key, sha256, name: metadata.name };
}

const listed = (sha256: string, wanted: boolean) =>
  world.eventually('the file of keys', 30_000, async () =>
    (await keysFile()).some((record) => record.sha256 === sha256) === wanted ? true : undefined,
  );

const answers = (key: string, status: number) =>
  world.eventually(`an answer ${status}`, 30_000, async () => ((await statusWith(mcpOf(tenant), key)) === status ? true : undefined));

test('a key is in the Secret at once and out of it at once when it ends, without a new pod', async () => {
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
  await world.eventually('a changed pod', 30_000, async () => {
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

/** What the tenant's status says of a condition. */
const saysOf = (current: Tenant, type: string) => current.status?.conditions?.find((condition) => condition.type === type);

test.each<[string, object, object, string]>([
  ['parameters that do not fit', { spec: { parameters: { colour: 'blue' } } }, { spec: { parameters: null } }, 'ParametersInvalid'],
  [
    'a pause',
    { metadata: { annotations: { 'tenantry.dev/reconcile': 'paused' } } },
    { metadata: { annotations: { 'tenantry.dev/reconcile': null } } },
    'Paused',
  ],
])('no revoked key is kept alive, and no new one waits, by %s', async (_what, hold, release, reason) => {
  const revoked = await create('revoked meanwhile');
  await answers(revoked.key, 200);
  await world.kube.patch(kinds.Tenant, name, hold);
  await world.until(name, (current) => saysOf(current, 'Stalled')?.reason === reason);
  await world.kube.delete(kinds.ApiKey, revoked.name, { namespace });
  await listed(revoked.sha256, false);
  await answers(revoked.key, 401);
  const made = await create('made meanwhile');
  await answers(made.key, 200);
  expect(saysOf(await world.tenant(name), 'Stalled')?.reason).toBe(reason);
  await world.kube.patch(kinds.Tenant, name, release);
  await world.ready(name);
});

test('a template that is gone keeps no revoked key alive', async () => {
  const template = world.name('gone');
  const lost = world.name('keys');
  const { spec } = await world.kube.get<StackTemplate>(kinds.StackTemplate, 'toolbridge');
  await world.kube.create(kinds.StackTemplate, { metadata: { name: template }, ...{ spec } });
  const suspended = { template: { name: template }, database: { mode: 'none' }, suspended: true };
  await world.kube.create(kinds.Tenant, { metadata: { name: lost }, ...{ spec: suspended } });
  const { metadata } = await world.until(lost, (current) => saysOf(current, 'SecretsReady')?.status === 'True');
  const made = await create('revoked', { uid: metadata.uid ?? '', namespace: namespaceOf(lost) });
  const inFile = async () => (await keysFile(lost)).some(({ sha256 }) => sha256 === made.sha256);
  await world.eventually('the key', 30_000, async () => ((await inFile()) ? true : undefined));
  await world.kube.delete(kinds.StackTemplate, template);
  await world.until(lost, (current) => saysOf(current, 'Stalled')?.reason === 'TemplateNotFound');
  await world.kube.delete(kinds.ApiKey, made.name, { namespace: namespaceOf(lost) });
  await world.eventually('the end of the key', 30_000, async () => ((await inFile()) ? undefined : true));
  await world.remove(lost);
});

test('a file of keys that cannot be written is told, until it can', async () => {
  const made = await create('kept alive');
  await listed(made.sha256, true);
  await world.kube.patch(kinds.Secret, 'tenantry-api-keys', { immutable: true }, { namespace });
  await world.kube.delete(kinds.ApiKey, made.name, { namespace });
  const told = await world.until(name, (current) => saysOf(current, 'SecretsReady')?.reason === 'KeysNotWritten');
  expect(saysOf(told, 'SecretsReady')).toMatchObject({
    status: 'False',
    message: expect.stringMatching(/revoked keys may work on.*immutable/s),
  });
  await world.kube.delete(kinds.Secret, 'tenantry-api-keys', { namespace });
  // The next try may be minutes off; a change is one at once.
  await create('another');
  await world.until(name, (current) => saysOf(current, 'SecretsReady')?.status === 'True');
  await answers(made.key, 401);
});
