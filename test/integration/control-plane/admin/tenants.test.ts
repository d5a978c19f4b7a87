import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dataOnDeletion, effectiveDeletionPolicyOf } from '../../../../crds/deletion.ts';
import { annotations } from '../../../../crds/names.ts';
import type { StackTemplate } from '../../../../crds/stack-template.ts';
import type { Tenant } from '../../../../crds/tenant.ts';
import { KubeClient } from '../../../../kube/client.ts';
import { type KubeObject, kinds } from '../../../../kube/resources.ts';
import { AdminApi, type Answer, expectProblem, pointersOf } from '../../../admin-api.ts';
import { World } from '../../../world.ts';

const api = new AdminApi();
const world = new World();
const { call, run } = api;
const made = new Set<string>();
const template = `tenants-${run}`;
let client: KubeClient;

beforeAll(async () => {
  client = KubeClient.fromConfig({ kubeconfig: api.context.kubeconfig });
  await client.create<StackTemplate>(kinds.StackTemplate, {
    metadata: { name: template },
    ...{
      spec: {
        containers: [{ name: 'api', image: 'none', resources: { limits: { memory: '256Mi' } } }],
        parameters: { type: 'object', properties: { size: { type: 'integer' }, mode: { type: 'string' } } },
        services: [
          { name: 'notes', title: 'Notes' },
          { name: 'chats', default: false, tags: ['chat', 'message'] },
        ],
        database: {},
      },
    },
  });
});

afterAll(async () => {
  for (const name of made) await client.delete(kinds.Tenant, name);
  await client.delete(kinds.StackTemplate, template);
  await client.close();
  await world.kube.close();
});

/** A name no other test uses; the tenant is deleted at the end. */
function fresh(what: string): string {
  const name = `${what}-${run}`;
  made.add(name);
  return name;
}

/** Suspended, so that no pods are started for a test that needs none. */
const create = (name: string, fields: object = {}, change = {}): Promise<Answer> =>
  call('POST', '/admin/tenants', { name, template: { name: template }, suspended: true, ...fields }, change);

const stored = (name: string) => client.get<Tenant>(kinds.Tenant, name);
const namesIn = ({ body }: Answer) => (body['items'] as { name: string }[]).map(({ name }) => name);

describe('listing tenants', () => {
  const [a, b, c] = ['list-a', 'list-b', 'list-c'].map(fresh) as [string, string, string];
  const only = `template=${template}`;

  beforeAll(async () => {
    for (const [name, labels] of [
      [b, { tier: 'gold', region: 'eu' }],
      [c, { tier: 'silver', region: 'us', beta: 'yes' }],
      [a, { tier: 'gold' }],
    ] as const) {
      expect((await create(name, { labels })).status).toBe(201);
      // Kubernetes stamps creations with whole seconds.
      const { creationTimestamp = '' } = (await stored(name)).metadata;
      await vi.waitUntil(() => Date.now() - Date.parse(creationTimestamp) > 1_000, { timeout: 90_000 });
    }
  });

  const list = (query: string) => call('GET', `/admin/tenants?${only}&${query}`);
  const ours = async (query: string) => namesIn(await list(query)).filter((name) => name.startsWith('list-'));

  test.each([
    ['tier=gold', [a, b]],
    ['tier==gold,region=eu', [b]],
    ['tier!=gold', [c]],
    ['region in (eu, us)', [b, c]],
    ['region notin (eu)', [a, c]],
    ['beta', [c]],
    ['!region', [a]],
    ['tier in (gold),!region', [a]],
    ['nothing=here', []],
  ])('selects by labels: %s', async (selector, expected) => {
    expect(await ours(`labelSelector=${encodeURIComponent(selector)}`)).toEqual(expected);
  });

  test.each(['tier in gold', 'a b', '=x', 'tier>1', 'in (a)', '!'])('refuses the label selector %s', async (selector) => {
    expectProblem(await list(`labelSelector=${encodeURIComponent(selector)}`), 400, 'invalid-query');
  });

  test.each([
    ['name', [a, b, c]],
    ['-name', [c, b, a]],
    ['createdAt', [b, c, a]],
    ['-createdAt', [a, c, b]],
  ])('sorts by %s over all pages', async (sort, expected) => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const answer = await list(`labelSelector=tier&sort=${sort}&limit=1${cursor}`);
      expect(answer.status).toBe(200);
      expect(namesIn(answer).length).toBeLessThanOrEqual(1);
      seen.push(...namesIn(answer));
      cursor = answer.body['nextCursor'] === undefined ? '' : `&cursor=${answer.body['nextCursor']}`;
    } while (cursor !== '');
    expect(seen).toEqual(expected);
  });

  test('skips and repeats nothing when the last tenant of a page is deleted', async () => {
    const first = await list('labelSelector=tier&limit=1&sort=name');
    const gone = fresh('list-aa');
    await create(gone, { labels: { tier: 'bronze' } });
    const second = await list(`labelSelector=tier&limit=1&sort=name&cursor=${first.body['nextCursor']}`);
    expect([...namesIn(first), ...namesIn(second)]).toEqual([a, gone]);
    await client.delete(kinds.Tenant, gone);
    await expect.poll(() => client.find(kinds.Tenant, gone), { timeout: 90_000 }).toBeUndefined();
    const third = await list(`labelSelector=tier&limit=2&sort=name&cursor=${second.body['nextCursor']}`);
    expect(namesIn(third)).toEqual([b, c]);
  });

  test('refuses a cursor of another order', async () => {
    const { body } = await list('labelSelector=tier&limit=1&sort=name');
    expectProblem(await list(`labelSelector=tier&sort=createdAt&cursor=${body['nextCursor']}`), 400, 'invalid-query');
  });

  test('selects by phase', async () => {
    await expect.poll(() => ours('phase=Suspended'), { timeout: 90_000 }).toEqual([a, b, c]);
    expect(await ours('phase=Ready')).toEqual([]);
    expectProblem(await list('phase=Sleeping'), 400, 'invalid-query');
  });

  test('answers 304 for an unchanged page', async () => {
    const quiet = `labelSelector=${encodeURIComponent('tier=none')}`;
    const etag = (await list(quiet)).headers.get('etag') ?? '';
    const answer = await call('GET', `/admin/tenants?${only}&${quiet}`, undefined, { headers: { 'if-none-match': etag } });
    expect([answer.status, answer.headers.get('etag')]).toEqual([304, etag]);
  });
});

describe('a tenant', () => {
  test('is returned with conditions and Events, or 304 if unchanged', async () => {
    const name = fresh('events');
    const { body } = await create(name);
    const event = {
      metadata: { name: `${name}.1`, namespace: 'default' },
      involvedObject: { apiVersion: 'tenantry.dev/v1alpha1', kind: 'Tenant', name, uid: body['uid'] },
      type: 'Warning',
      reason: 'Tested',
      message: 'A test was here.',
      source: { component: 'test' },
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:00Z',
      count: 3,
    };
    await client.create(kinds.Event, event as unknown as KubeObject);
    const shown = {
      type: 'Warning',
      reason: 'Tested',
      message: 'A test was here.',
      count: 3,
      lastSeenAt: '2026-01-01T00:00:00Z',
      source: 'test',
    };
    await expect.poll(async () => (await call('GET', `/admin/tenants/${name}`)).body['events']).toContainEqual(shown);
    await expect
      .poll(async () => {
        const { headers } = await call('GET', `/admin/tenants/${name}`);
        const known = { headers: { 'if-none-match': `"other", W/${headers.get('etag')}` } };
        return (await call('GET', `/admin/tenants/${name}`, undefined, known)).status;
      })
      .toBe(304);
  });

  test('is returned but not stored by a dry run', async () => {
    const name = fresh('dry');
    const answer = await call('POST', '/admin/tenants?dryRun=true', { name, template: { name: template }, labels: { a: 'b' } });
    expect([answer.status, answer.body['name'], answer.body['labels']]).toEqual([200, name, { a: 'b' }]);
    expect(answer.body['spec']).toMatchObject({ deletionPolicy: 'retain' });
    expect(await client.find(kinds.Tenant, name)).toBeUndefined();
    const faulty = await call('POST', '/admin/tenants?dryRun=true', { name, template: { name: 'none' } });
    expectProblem(faulty, 422, 'invalid');
  });

  test('accepts changes of labels, except labels of Tenantry', async () => {
    const name = fresh('labels');
    await create(name, { labels: { tier: 'gold', team: 'a' } });
    const patched = await call('PATCH', `/admin/tenants/${name}`, { labels: { tier: null, region: 'eu' } });
    expect(patched.body['labels']).toEqual({ team: 'a', region: 'eu' });
    expectProblem(await call('PATCH', `/admin/tenants/${name}`, { labels: { 'tenantry.dev/tenant': 'x' } }), 422, 'invalid');
    expectProblem(await create(fresh('bad-labels'), { labels: { 'not a key': 'x' } }), 422, 'invalid');
  });

  test('is refused with a pointer to requests above the limit', async () => {
    const containers = { api: { resources: { requests: { memory: '1Gi', cpu: '2' }, limits: { cpu: '1' } } } };
    const answer = await create(fresh('greedy'), { containers });
    expectProblem(answer, 422, 'invalid');
    expect(pointersOf(answer)).toEqual(['/containers/api/resources/requests/cpu', '/containers/api/resources/requests/memory']);
  });

  test('gets an organization whose external id is kept', async () => {
    const name = fresh('organization');
    const organization = { name: `Made ${run}`, admin: { email: `first-${run}@example.com` } };
    expect((await create(name, { organization })).status).toBe(201);
    expect((await stored(name)).spec.organization).toEqual({ ...organization, externalId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    const both = await create(fresh('both'), { organization, organizationId: await api.organization('Both') });
    expectProblem(both, 422, 'invalid');
    expect(pointersOf(both)).toEqual(['/organization']);
  });

  test("cannot name another tenant's organization by its external id", async () => {
    const name = fresh('taker');
    expect((await create(name)).status).toBe(201);
    const organization = { name: 'Taken', externalId: '01930f6e-3b2a-4c1d-9e4f-5a6b7c8d9e0f', admin: { email: 'mallory@example.com' } };
    const taken = await call('PATCH', `/admin/tenants/${name}`, { organization });
    expectProblem(taken, 422, 'invalid');
    expect(pointersOf(taken)).toEqual(['/organization/externalId']);
    expect((await stored(name)).spec.organization).toBeUndefined();
  });
});

test("the platform's organization cannot own a tenant", async () => {
  const refused = await create(fresh('of-platform'), { organizationId: api.platform });
  expectProblem(refused, 409, 'organization-taken');
  const name = fresh('later-platform');
  expect((await create(name)).status).toBe(201);
  expectProblem(await call('PATCH', `/admin/tenants/${name}`, { organizationId: api.platform }), 409, 'organization-taken');
  expectProblem(await call('PATCH', `/admin/tenants/${name}?dryRun=true`, { organizationId: api.platform }), 409, 'organization-taken');
  expect((await stored(name)).spec.organizationId).toBeUndefined();
});

describe('a pinned revision of the template', () => {
  test('must exist', async () => {
    const { body } = await call('GET', `/admin/templates/${template}`);
    const revision = String(body['revision']);
    await expect
      .poll(async () => (await call('GET', `/admin/templates/${template}/revisions`)).body['items'], { timeout: 90_000 })
      .toMatchObject([{ revision, current: true }]);
    const pinned = await create(fresh('pinned'), { template: { name: template, revision }, parameters: { size: 3 } });
    expect([pinned.status, pinned.body['spec']]).toEqual([201, expect.objectContaining({ template: { name: template, revision } })]);
    const unknown = await create(fresh('unpinned'), { template: { name: template, revision: '0000000000' } });
    expectProblem(unknown, 422, 'invalid');
    expect(pointersOf(unknown)).toEqual(['/template/revision']);
  });
});

describe('a field of another field manager', () => {
  const gitops = (name: string, spec: object, labels: Record<string, string> = {}) =>
    client.apply(
      kinds.Tenant,
      { metadata: { name, labels }, ...{ spec: { template: { name: template }, suspended: true, ...spec } } },
      { fieldManager: 'gitops' },
    );

  test('is changed only by force', async () => {
    const name = fresh('managed');
    await gitops(name, { displayName: 'From Git', parameters: { size: 1 }, domains: ['a.example.com'] }, { tier: 'gold' });
    const patch = { displayName: 'Mine', parameters: { size: 2, mode: 'x' }, labels: { tier: 'silver' }, replicas: 2 };
    const refused = await call('PATCH', `/admin/tenants/${name}`, patch);
    expectProblem(refused, 409, 'field-managed');
    expect(refused.body['detail']).toContain('gitops');
    expect(pointersOf(refused)).toEqual(['/displayName', '/labels/tier', '/parameters/size']);
    expect((await stored(name)).spec.displayName).toBe('From Git');

    // The same values, and fields that nobody manages.
    const free = await call('PATCH', `/admin/tenants/${name}`, { displayName: 'From Git', parameters: { mode: 'x' }, replicas: 2 });
    expect([free.status, (await stored(name)).spec.replicas]).toEqual([200, 2]);
    // A domain more takes nothing away; one less does.
    expect((await call('PATCH', `/admin/tenants/${name}`, { domains: ['a.example.com', 'b.example.com'] })).status).toBe(200);
    expect(pointersOf(await call('PATCH', `/admin/tenants/${name}`, { domains: ['b.example.com'] }))).toEqual(['/domains']);
    expectProblem(await call('POST', `/admin/tenants/${name}/resume`), 409, 'field-managed');

    const forced = await call('PATCH', `/admin/tenants/${name}?force=true`, patch);
    expect(forced.body).toMatchObject({ labels: { tier: 'silver' }, spec: { displayName: 'Mine', parameters: { size: 2, mode: 'x' } } });
    expect((await call('PATCH', `/admin/tenants/${name}`, { displayName: 'Mine again' })).status).toBe(200);
  });
});

describe('deleting a tenant', () => {
  const fate = async (name: string) => effectiveDeletionPolicyOf(await stored(name));
  const hold = (name: string) => client.patch(kinds.Tenant, name, { metadata: { finalizers: ['test.tenantry.dev/hold'] } });
  const release = async (name: string) => {
    const { metadata } = await stored(name);
    const finalizers = (metadata.finalizers ?? []).filter((one) => one !== 'test.tenantry.dev/hold');
    await client.patch(kinds.Tenant, name, { metadata: { finalizers } });
  };

  test('without a choice describes the effects and deletes nothing', async () => {
    const name = fresh('fate');
    const { body } = await create(name);
    const answer = await call('DELETE', `/admin/tenants/${name}`);
    expectProblem(answer, 409, 'deletion-choice-required');
    expect(answer.body['detail']).toContain(`tenant_${String(body['uid']).replaceAll('-', '')}`);
    expect(answer.body['detail']).toContain('deletionPolicy');
    expect(answer.body['remedy']).toContain('data=delete');
    expect((await stored(name)).metadata.deletionTimestamp).toBeUndefined();
    expectProblem(await call('DELETE', `/admin/tenants/${name}?data=burn`), 400, 'invalid-query');
  });

  test.each([
    ['delete', 'retain'],
    ['retain', 'delete'],
  ])('data=%s overrides the deletion policy %s', async (data, before) => {
    const name = fresh(`over-${data}`);
    await create(name, { deletionPolicy: before, database: { deletionPolicy: before } });
    await hold(name);
    try {
      const answer = await call('DELETE', `/admin/tenants/${name}?data=${data}`);
      expect([answer.status, answer.body['effectiveDeletionPolicy'], await fate(name)]).toEqual([202, data, data]);
      // What is said for one deletion changes nothing of what the tenant should be.
      expect((await stored(name)).spec).toMatchObject({ deletionPolicy: before, database: { deletionPolicy: before } });
      expect((await call('DELETE', `/admin/tenants/${name}?data=${data}`)).status).toBe(202);
      expectProblem(await call('DELETE', `/admin/tenants/${name}?data=${before}`), 409, 'tenant-deleting');
    } finally {
      await release(name);
    }
  });

  /** A tenant with a database; the template's image is none, and suspended it needs no pods. */
  async function withDatabase(name: string, deletionPolicy: 'retain' | 'delete'): Promise<string> {
    expect((await create(name, { deletionPolicy })).status).toBe(201);
    const { status } = await world.until(name, (tenant) => tenant.status?.database !== undefined);
    return status?.database?.name ?? '';
  }
  const databases = async (name: string) => (await world.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).length;

  test('makes the operator follow the choice instead of the spec', async () => {
    const [dropped, kept] = [fresh('dropped'), fresh('kept')];
    const [gone, there] = [await withDatabase(dropped, 'retain'), await withDatabase(kept, 'delete')];
    expect([await databases(gone), await databases(there)]).toEqual([1, 1]);
    expect((await call('DELETE', `/admin/tenants/${dropped}?data=delete`)).status).toBe(202);
    expect((await call('DELETE', `/admin/tenants/${kept}?data=retain`)).status).toBe(202);
    for (const name of [dropped, kept]) await world.gone(name);
    expect([await databases(gone), await databases(there)]).toEqual([0, 1]);
  });

  test('does not use the choice of a failed deletion later', async () => {
    const name = fresh('stale-word');
    const database = await withDatabase(name, 'retain');
    const word = dataOnDeletion('delete', new Date(Date.now() - 120_000));
    await client.patch(kinds.Tenant, name, { metadata: { annotations: { [annotations.dataOnDeletion]: word } } });
    await world.remove(name);
    expect(await databases(database)).toBe(1);
  });

  test('refuses new API keys while a tenant is being deleted', async () => {
    const name = fresh('no-more-keys');
    await create(name);
    await hold(name);
    try {
      expect((await call('DELETE', `/admin/tenants/${name}?data=retain`)).status).toBe(202);
      expectProblem(await call('POST', `/admin/tenants/${name}/api-keys`, { name: 'late', scopes: ['mcp'] }), 409, 'tenant-deleting');
    } finally {
      await release(name);
    }
  });

  test('answers 412 when If-Match does not match', async () => {
    const name = fresh('guarded-deletion');
    const { headers } = await create(name);
    await call('PATCH', `/admin/tenants/${name}`, { displayName: 'Changed' });
    const answer = await call('DELETE', `/admin/tenants/${name}?data=delete`, undefined, {
      headers: { 'if-match': headers.get('etag') ?? '' },
    });
    expectProblem(answer, 412, 'precondition-failed');
  });
});

describe('an action on a tenant', () => {
  test('suspends and resumes it', async () => {
    const name = fresh('suspended');
    await create(name, { suspended: false, containers: {} });
    expect((await call('POST', `/admin/tenants/${name}/suspend`)).body).toMatchObject({ spec: { suspended: true } });
    expect((await call('POST', `/admin/tenants/${name}/resume`)).body).toMatchObject({ spec: { suspended: false } });
    expect((await call('POST', `/admin/tenants/${name}/suspend`)).status).toBe(200);
    expectProblem(await call('POST', '/admin/tenants/nobody/suspend'), 404, 'tenant-not-found');
  });

  test('requests a rotation once', async () => {
    const name = fresh('rotated');
    await create(name);
    const { status, body } = await call('POST', `/admin/tenants/${name}/rotate`);
    expect(status).toBe(202);
    expect((await stored(name)).metadata.annotations?.['tenantry.dev/rotate']).toBe(body['rotationRequest']);
  });

  test('lists services with defaults and settings of the tenant', async () => {
    const name = fresh('services');
    await create(name);
    expect((await call('GET', `/admin/tenants/${name}/services`)).body['items']).toEqual([
      { name: 'notes', title: 'Notes', default: true, enabled: true, tags: ['notes'] },
      { name: 'chats', default: false, enabled: false, tags: ['chat', 'message'] },
    ]);
    const set = await call('PUT', `/admin/tenants/${name}/services/chats`, { enabled: true });
    expect([set.status, set.body['enabled']]).toEqual([200, true]);
    expect((await stored(name)).spec.services).toEqual({ chats: true });
    expectProblem(await call('PUT', `/admin/tenants/${name}/services/mail`, { enabled: true }), 404, 'service-not-found');
    const unknown = await call('PATCH', `/admin/tenants/${name}`, { services: { mail: true } });
    expect(pointersOf(unknown)).toEqual(['/services/mail']);
  });

  test('adds, verifies and removes a domain', async () => {
    const name = fresh('domains');
    const domain = `mcp-${run}.example.com`;
    await create(name);
    const added = await call('POST', `/admin/tenants/${name}/domains`, { domain });
    expect(added.status).toBe(201);
    expect(added.headers.get('location')).toBe(`/admin/tenants/${name}/domains/${domain}`);
    expect(added.body).toMatchObject({
      domain,
      state: 'Pending',
      record: { name: `_tenantry-challenge.${domain}`, type: 'TXT', value: expect.stringMatching(/^tenantry=[0-9a-f]{32}$/) },
    });
    expectProblem(await call('POST', `/admin/tenants/${name}/domains`, { domain }), 409, 'domain-exists');
    expectProblem(await call('POST', `/admin/tenants/${name}/domains`, { domain: 'Not a host' }), 422, 'invalid');
    expect((await call('POST', `/admin/tenants/${name}/domains/${domain}/verify`)).status).toBe(202);
    expect((await stored(name)).metadata.annotations).toHaveProperty('tenantry.dev/verify-domains');
    const listed = (await call('GET', `/admin/tenants/${name}/domains`)).body['items'] as { record: unknown }[];
    expect(listed.map(({ record }) => record)).toEqual([added.body['record']]);
    expect((await call('DELETE', `/admin/tenants/${name}/domains/${domain}`)).status).toBe(204);
    expect((await stored(name)).spec.domains).toEqual([]);
    expectProblem(await call('DELETE', `/admin/tenants/${name}/domains/${domain}`), 404, 'domain-not-found');
  });

  test('adds two domains at the same time', async () => {
    const name = fresh('both-domains');
    await create(name);
    const domains = ['a', 'b', 'c'].map((label) => `${label}-${run}.example.com`);
    const answers = await Promise.all(domains.map((domain) => call('POST', `/admin/tenants/${name}/domains`, { domain })));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect((await stored(name)).spec.domains?.toSorted()).toEqual(domains);
  });

  test('returns configurations of clients without a secret', async () => {
    const name = fresh('connection');
    await create(name);
    const { body } = await call('GET', `/admin/tenants/${name}/connect`);
    const mcp = `${api.context.routerUrl}/t/${name}/mcp`;
    expect(body).toMatchObject({ mcp, domains: [], clients: expect.any(Array) });
    const clients = body['clients'] as { client: string; text: string }[];
    expect(clients.map(({ client }) => client)).toEqual(['Claude Code', 'VS Code', 'Cursor', 'Claude Desktop', 'curl']);
    for (const { text } of clients) expect(text).toContain(mcp);
    // Without an organization nobody can sign in.
    for (const { client, text } of clients) expect(text, client).toContain('Bearer ');
    expect(JSON.stringify(body)).not.toContain('tnt_');
  });
});

describe("a tenant's administrator", () => {
  let token: string;
  let name: string;
  let foreign: string;

  beforeAll(async () => {
    [name, foreign] = [fresh('own'), fresh('foreign')];
    const organizationId = await api.organization('Own');
    await create(name, { organizationId, parameters: { size: 1 } });
    await create(foreign, { organizationId: await api.organization('Foreign') });
    token = await api.tokenOf('tenant-admin', organizationId);
  });

  const as = (method: string, path: string, body?: unknown) => call(method, path, body, { token });

  test('sees only its own tenants', async () => {
    expect(namesIn(await as('GET', '/admin/tenants'))).toEqual([name]);
    expect((await as('GET', `/admin/tenants/${name}`)).status).toBe(200);
    expect(((await as('GET', '/admin/templates')).body['items'] as { name: string }[]).map((one) => one.name)).toEqual([template]);
    expectProblem(await as('GET', '/admin/templates/toolbridge'), 404, 'template-not-found');
  });

  test('gets the same answer for foreign and for missing tenants', async () => {
    for (const [method, path, body] of [
      ['GET', ''],
      ['PATCH', '', { displayName: 'x' }],
      ['POST', '/suspend'],
      ['POST', '/rotate'],
      ['GET', '/services'],
      ['PUT', '/services/notes', { enabled: false }],
      ['GET', '/domains'],
      ['POST', '/domains', { domain: 'x.example.com' }],
      ['GET', '/connect'],
      ['GET', '/api-keys'],
      ['POST', '/api-keys', { name: 'x', scopes: ['mcp'] }],
      ['DELETE', '/api-keys/abcdefghijkl'],
    ] as const) {
      const [theirs, none] = [
        await as(method, `/admin/tenants/${foreign}${path}`, body),
        await as(method, `/admin/tenants/nobody${path}`, body),
      ];
      expectProblem(theirs, 404, 'tenant-not-found');
      expect(String(theirs.body['detail']).replaceAll(foreign, 'nobody'), path).toBe(none.body['detail']);
    }
  });

  test("changes only the fields of a tenant's administrator", async () => {
    expect((await as('PATCH', `/admin/tenants/${name}`, { displayName: 'Ours', parameters: { size: 2 } })).status).toBe(200);
    const refused = await as('PATCH', `/admin/tenants/${name}`, { displayName: 'x', replicas: 9, labels: { a: 'b' } });
    expectProblem(refused, 403, 'forbidden');
    expect(pointersOf(refused)).toEqual(['/labels', '/replicas']);
    expect((await stored(name)).spec.displayName).toBe('Ours');
  });

  describe('with a suspended tenant', () => {
    const suspend = (body = true) => as('PATCH', `/admin/tenants/${name}`, { suspended: body });
    const state = async () => {
      const { body } = await as('GET', `/admin/tenants/${name}`);
      return [(body['spec'] as { suspended?: boolean }).suspended, body['suspendedBy']];
    };
    const resume = (change = {}, query = '') => call('POST', `/admin/tenants/${name}/resume${query}`, undefined, change);
    const withKubectl = (suspended: boolean) =>
      world.kubectl(['patch', 'tenant', name, '--type=merge', '-p', JSON.stringify({ spec: { suspended } })]);

    test('resumes it after its own suspension', async () => {
      expect((await resume()).status).toBe(200);
      expect((await as('POST', `/admin/tenants/${name}/suspend`)).body['suspendedBy']).toBe('tenant');
      expect((await resume({ token })).status).toBe(200);
      await expect.poll(state).toEqual([false, undefined]);
      expect((await suspend()).body['suspendedBy']).toBe('tenant');
      expect((await suspend(false)).status).toBe(200);
    });

    test.each([
      ['by an action', () => call('POST', `/admin/tenants/${name}/suspend`)],
      ['by a change', () => call('PATCH', `/admin/tenants/${name}`, { suspended: true })],
      ['over a suspension of its own', () => suspend().then(() => call('POST', `/admin/tenants/${name}/suspend`))],
      ['with kubectl', () => withKubectl(true)],
      [
        'with kubectl, which had resumed it before',
        () =>
          suspend()
            .then(() => withKubectl(false))
            .then(() => withKubectl(true)),
      ],
    ])('does not resume it after a suspension by the platform %s', async (_how, bySomebody) => {
      expect((await resume({}, '?force=true')).status).toBe(200);
      await bySomebody();
      await expect.poll(state).toEqual([true, 'platform']);
      // Nor does it become its own by suspending it again.
      expect((await suspend()).body['suspendedBy']).toBe('platform');
      for (const refused of [
        await resume({ token }),
        await suspend(false),
        await as('PATCH', `/admin/tenants/${name}`, { suspended: null }),
        await as('PATCH', `/admin/tenants/${name}?dryRun=true`, { suspended: false }),
      ]) {
        expectProblem(refused, 403, 'suspended-by-platform');
        expect(refused.body['remedy']).toContain('Ask an administrator of the platform');
      }
      expect((await stored(name)).spec.suspended).toBe(true);
      expect((await as('PATCH', `/admin/tenants/${name}`, { displayName: 'Suspended' })).status).toBe(200);
      expect((await resume({}, '?force=true')).status).toBe(200);
    });

    test('resumes it after its own suspension that kubectl repeated', async () => {
      expect((await suspend()).body['suspendedBy']).toBe('tenant');
      await withKubectl(true);
      await expect.poll(state).toEqual([true, 'tenant']);
      expect((await resume({ token })).status).toBe(200);
      await expect.poll(state).toEqual([false, undefined]);
    });

    test('cannot force a suspension managed by a GitOps tool', async () => {
      await client.apply(
        kinds.Tenant,
        { metadata: { name }, ...{ spec: { template: { name: template }, suspended: true, displayName: 'From Git' } } },
        { fieldManager: 'gitops' },
      );
      expectProblem(await resume({ token }), 403, 'suspended-by-platform');
      const managed = await as('PATCH', `/admin/tenants/${name}`, { displayName: 'Ours' });
      expectProblem(managed, 409, 'field-managed');
      expect(managed.body['remedy']).toContain('ask an administrator of the platform');
      for (const refused of [
        await as('PATCH', `/admin/tenants/${name}?force=true`, { displayName: 'Ours' }),
        await as('POST', `/admin/tenants/${name}/suspend?force=true`),
        await as('POST', `/admin/tenants/${name}/domains?force=true`, { domain: `force-${run}.example.com` }),
        await as('PUT', `/admin/tenants/${name}/services/notes?force=true`, { enabled: false }),
      ]) {
        expectProblem(refused, 403, 'forbidden');
        expect(refused.body['detail']).toContain('force');
      }
      expect((await stored(name)).spec).toMatchObject({ displayName: 'From Git', suspended: true });
      expect((await resume({}, '?force=true')).body).toMatchObject({ spec: { suspended: false } });
    });
  });

  test('cannot create or delete tenants or write templates', async () => {
    expectProblem(await as('POST', '/admin/tenants', { name: 'mine', template: { name: template } }), 403, 'forbidden');
    expectProblem(await as('DELETE', `/admin/tenants/${name}?data=delete`), 403, 'forbidden');
    expectProblem(await as('PUT', `/admin/templates/${template}`, {}), 403, 'forbidden');
  });
});

describe('templates', () => {
  const name = `applied-${run}`;
  afterAll(() => client.delete(kinds.StackTemplate, name));
  const spec = { displayName: 'Applied', containers: [{ name: 'api', image: 'example.com/api:1' }] };
  const apply = (body: object, query = '', headers = {}) => call('PUT', `/admin/templates/${name}${query}`, body, { headers });

  test('are validated, created, read and replaced', async () => {
    expectProblem(await call('GET', `/admin/templates/${name}`), 404, 'template-not-found');
    const dry = await apply(spec, '?dryRun=true');
    expect([dry.status, await client.find(kinds.StackTemplate, name)]).toEqual([200, undefined]);
    const created = await apply(spec);
    expect([created.status, created.headers.get('location')]).toEqual([201, `/admin/templates/${name}`]);
    const known = { headers: { 'if-none-match': created.headers.get('etag') ?? '' } };
    await expect.poll(async () => (await call('GET', `/admin/templates/${name}`, undefined, known)).status).toBe(304);

    const second = await apply({ containers: [{ name: 'api', image: 'example.com/api:2' }] });
    expect(second.status).toBe(200);
    expect(second.body['spec']).toEqual({ containers: [{ name: 'api', image: 'example.com/api:2' }] });
    expect(second.body['revision']).not.toBe(created.body['revision']);
    expectProblem(await apply(spec, '', { 'if-match': created.headers.get('etag') ?? '' }), 412, 'precondition-failed');
    expect((await apply(spec, '', { 'if-match': '*' })).status).toBe(200);
    expect(namesIn(await call('GET', '/admin/templates'))).toEqual(expect.arrayContaining(['toolbridge', name]));
  });

  test('are not created with If-Match', async () => {
    for (const tag of ['*', '"4711"']) {
      const answer = await call('PUT', `/admin/templates/none-${run}`, spec, { headers: { 'if-match': tag } });
      expectProblem(answer, 412, 'precondition-failed');
    }
    expect(await client.find(kinds.StackTemplate, `none-${run}`)).toBeUndefined();
  });

  test('are refused with pointers to faults', async () => {
    expect(pointersOf(await apply({ containers: [] }))).toEqual(['/containers']);
    expect(pointersOf(await apply({ ...spec, parameters: { type: 'nonsense' } }))).toEqual(['/parameters']);
    const noApi = await apply({ containers: [{ name: 'web', image: 'x' }] });
    expect([noApi.status, noApi.body.errors?.[0]?.detail]).toEqual([422, expect.stringContaining('must be named api')]);
  });

  test('keep fields of another manager without force', async () => {
    await client.patch(kinds.StackTemplate, name, { spec: { displayName: 'By kubectl' } }, { fieldManager: 'kubectl-edit' });
    const refused = await apply({ ...spec, displayName: 'By API' });
    expectProblem(refused, 409, 'field-managed');
    expect(refused.body['detail']).toContain('kubectl-edit');
    expect(pointersOf(refused)).toEqual(['/displayName']);
    expect((await apply({ ...spec, displayName: 'By API' }, '?force=true')).body).toMatchObject({ spec: { displayName: 'By API' } });
  });
});

describe('Idempotency-Key', () => {
  const keyed = (key: string) => ({ headers: { 'idempotency-key': `${key}-${run}` } });

  test('repeats the first answer at any replica', async () => {
    const name = fresh('once');
    const first = await create(name, {}, keyed('once'));
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([201, 'false']);
    await call('PATCH', `/admin/tenants/${name}`, { displayName: 'Changed since' });
    const again = await create(name, {}, keyed('once'));
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));

    const name2 = fresh('at-once');
    const answers = await Promise.all([1, 2, 3, 4].map(() => create(name2, {}, keyed('at-once'))));
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'false')).toHaveLength(1);
    for (const answer of answers) if (answer.status !== 201) expectProblem(answer, 409, 'idempotency-in-progress');
  });

  test('refuses another body and bad keys, and stores no refusal', async () => {
    const name = fresh('reused');
    await create(name, {}, keyed('reused'));
    expectProblem(await create(name, { displayName: 'Other' }, keyed('reused')), 422, 'idempotency-key-reused');
    expectProblem(await create(name, {}, { headers: { 'idempotency-key': 'not visible\tonly' } }), 400, 'malformed-request');
    const later = fresh('later');
    expectProblem(await create(later, { template: { name: 'none' } }, keyed('later')), 422, 'invalid');
    expect((await create(later, {}, keyed('later'))).status).toBe(201);
  });

  test('is separate for each caller', async () => {
    const token = await api.tokenOf('platform-admin');
    await create(fresh('mine'), {}, keyed('shared'));
    const theirs = await create(fresh('theirs'), {}, { ...keyed('shared'), token });
    expect([theirs.status, theirs.headers.get('idempotency-replayed')]).toEqual([201, 'false']);
  });
});
