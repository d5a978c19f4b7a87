import { request as httpRequest } from 'node:http';
import { generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Tenant } from '../../../../crds/tenant.ts';
import { KubeClient } from '../../../../kube/client.ts';
import { kinds } from '../../../../kube/resources.ts';
import { AdminApi, expectProblem, pointersOf } from '../../../admin-api.ts';

const api = new AdminApi();
const { adminUrl, adminToken, kubeconfig, workos } = api.context;
const { call, run } = api;
const sdk = api.workos;
const tokenOf = (role: string) => api.tokenOf(role);
const pointers = pointersOf;
const made = new Set<string>();
let client: KubeClient;
let template: string;

beforeAll(async () => {
  client = KubeClient.fromConfig({ kubeconfig });
  template = `admin-${run}`;
  await client.create(kinds.StackTemplate, {
    metadata: { name: template },
    ...{
      spec: {
        containers: [{ name: 'api', image: 'none' }],
        parameters: {
          type: 'object',
          properties: {
            pageSize: { type: 'integer', minimum: 1 },
            mode: { enum: ['a', 'b'] },
            greeting: { type: 'string' },
            connectionString: { type: 'string' },
            licence: { type: 'string', writeOnly: true },
          },
        },
      },
    },
  });
});

afterAll(async () => {
  for (const name of made) await client.delete(kinds.Tenant, name);
  await client.delete(kinds.StackTemplate, template);
  await client.close();
});

/** A name no other test uses; the tenant is deleted at the end. */
function fresh(what: string): string {
  const name = `${what}-${run}`;
  made.add(name);
  return name;
}

/** Suspended, so that no pods are started for a test that needs none. */
function create(name: string, fields: Record<string, unknown> = {}) {
  return call('POST', '/admin/tenants', { name, template: { name: template }, suspended: true, ...fields });
}

describe('authentication and permissions', () => {
  test.each<[string, () => Promise<string | null>]>([
    ['no token', async () => null],
    ['a token of another issuer', () => mint({ issuer: 'https://evil.example' })],
    ['a forged token', () => mint({})],
    ['an expired token', () => mint({ expires: Math.floor(Date.now() / 1000) - 60 })],
    ['a token without signature', async () => unsigned()],
    ['something else', async () => 'not-a-token'],
  ])('refuse %s with 401 and a challenge', async (_name, token) => {
    const answer = await call('GET', '/admin/tenants', undefined, { token: await token() });
    expectProblem(answer, 401, 'unauthenticated');
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="tenantry-admin"/);
  });

  test('refuse a session signed with an OAuth key', async () => {
    const { keys } = (await (await fetch(`${workos.issuer}/oauth2/jwks`)).json()) as { keys: { kid: string }[] };
    const answer = await call('GET', '/admin/tenants', undefined, { token: await mint({ kid: keys[0]?.kid ?? '' }) });
    expectProblem(answer, 401, 'unauthenticated');
  });

  test('let a viewer read, and name the permission to write', async () => {
    const token = await tokenOf('platform-viewer');
    expect((await call('GET', '/admin/tenants', undefined, { token })).status).toBe(200);
    const refused = await call('POST', '/admin/tenants', { name: fresh('viewer') }, { token });
    expectProblem(refused, 403, 'forbidden');
    expect(refused.body['detail']).toContain('tenants:write');
    expect(refused.headers.get('www-authenticate')).toContain('scope="tenants:write"');
    expect((await call('DELETE', '/admin/tenants/whatever', undefined, { token })).body['detail']).toContain('tenants:delete');
  });

  test('refuse a member without permissions', async () => {
    expectProblem(await call('GET', '/admin/tenants', undefined, { token: await tokenOf('member') }), 403, 'forbidden');
  });

  test('let a signed-in platform administrator create a tenant', async () => {
    const answer = await call(
      'POST',
      '/admin/tenants',
      { name: fresh('signed-in'), template: { name: template }, suspended: true },
      { token: await tokenOf('platform-admin') },
    );
    expect(answer.status).toBe(201);
  });

  test('check the token before the body', async () => {
    expectProblem(await call('POST', '/admin/tenants', '{"broken', { token: null }), 401, 'unauthenticated');
  });

  async function mint({ issuer = workos.adminIssuer, expires, kid = 'k' }: { issuer?: string; expires?: number; kid?: string }) {
    const { privateKey } = await generateKeyPair('RS256');
    return new SignJWT({ permissions: ['tenants:read', 'tenants:write', 'tenants:delete'] })
      .setProtectedHeader({ alg: 'RS256', kid })
      .setIssuer(issuer)
      .setSubject('user_01FORGED')
      .setIssuedAt()
      .setExpirationTime(expires ?? '5m')
      .sign(privateKey);
  }

  /** The real token with its signature and algorithm taken away. */
  function unsigned() {
    const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
    return `${header}.${adminToken.split('.')[1]}.`;
  }
});

describe('creating a tenant', () => {
  test('and changing it record parameters without secrets and free text', async () => {
    const name = fresh('masked');
    const parameters = { pageSize: 5, greeting: 'Dear Ada', connectionString: 'Server=db;Key=hunter2', licence: 'hunter2' };
    const created = await create(name, { parameters });
    expect(created.status).toBe(201);
    expect((await call('PATCH', `/admin/tenants/${name}`, { parameters: { licence: 'hunter3', mode: 'b' } })).status).toBe(200);
    const kept = await call('GET', `/admin/audit?tenant=${name}&limit=500`);
    expect(JSON.stringify(kept.body)).not.toMatch(/Ada|hunter/);
    const records = kept.body['items'] as { action: string; outcome: string; details: object }[];
    expect(records.filter(({ outcome }) => outcome === 'intended').map(({ action, details }) => [action, details])).toEqual(
      expect.arrayContaining([
        [
          'tenants.create',
          expect.objectContaining({
            parameters: { pageSize: 5, greeting: '[8 characters]', connectionString: '[redacted]', licence: '[redacted]' },
          }),
        ],
        ['tenants.patch', expect.objectContaining({ patch: { parameters: { licence: '[redacted]', mode: 'b' } } })],
      ]),
    );
  });

  test('answers 201 with Location, ETag and the stored tenant', async () => {
    const name = fresh('created');
    const answer = await create(name, { displayName: 'Created', parameters: { pageSize: 5 } });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/admin/tenants/${name}`);
    expect(answer.headers.get('etag')).toMatch(new RegExp(`^"${answer.body['resourceVersion']}-[-\\w]+"$`));
    expect(answer.body).toMatchObject({
      name,
      generation: 1,
      spec: { displayName: 'Created', template: { name: template }, parameters: { pageSize: 5 }, deletionPolicy: 'retain' },
      status: {},
    });
    const object = await client.get<Tenant>(kinds.Tenant, name);
    expect(object.metadata.uid).toBe(answer.body['uid']);
    expect((await call('GET', `/admin/tenants/${name}`)).body['uid']).toBe(answer.body['uid']);
  });

  test('returns every fault at once and stores nothing', async () => {
    const name = `Bad_${run}`;
    const answer = await create(name, {
      template: { name: 'no-such-template' },
      organizationId: 'org_01NOBODY',
      replicas: 99,
      colour: 'red',
      database: { mode: 'huge' },
    });
    expectProblem(answer, 422, 'invalid');
    expect(pointers(answer)).toEqual(['/colour', '/database/mode', '/name', '/organizationId', '/replicas', '/template/name']);
    expect(await client.find(kinds.Tenant, name.toLowerCase())).toBeUndefined();
  });

  test('points to parameters that do not fit the template', async () => {
    const answer = await create(fresh('parameters'), { parameters: { pageSize: 0, mode: 'c', extra: 1 } });
    expectProblem(answer, 422, 'invalid');
    expect(pointers(answer)).toEqual(['/parameters/extra', '/parameters/mode', '/parameters/pageSize']);
  });

  test.each([['admin'], ['x'.repeat(41)], ['UPPER'], ['under_score']])('refuses the name %j', async (name) => {
    const answer = await create(name);
    expectProblem(answer, 422, 'invalid');
    expect(pointers(answer)).toEqual(['/name']);
  });

  test("points to faults that only the custom resource's rules find", async () => {
    const answer = await create(fresh('cel'), { network: { egress: [{ cidr: '10.0.0.0/8', namespaceSelector: { a: 'b' } }] } });
    expectProblem(answer, 422, 'invalid');
    expect(pointers(answer)).toEqual(['/network/egress/0']);
    expect(answer.body.errors?.[0]?.detail).toContain('exactly one of cidr and namespaceSelector');
  });

  test('accepts an organization of the environment', async () => {
    const { id } = await sdk.organizations.createOrganization({ name: `Owner ${run}` });
    const answer = await create(fresh('owned'), { organizationId: id });
    expect(answer.status).toBe(201);
  });

  test('answers 409 for an existing name', async () => {
    const name = fresh('twice');
    await create(name);
    expectProblem(await create(name), 409, 'tenant-exists');
  });

  test('accepts one of two simultaneous requests', async () => {
    const name = fresh('race');
    const statuses = await Promise.all([create(name), create(name)]);
    expect(statuses.map(({ status }) => status).sort()).toEqual([201, 409]);
  });
});

describe('refuses a body that cannot be read', () => {
  test.each([
    ['malformed JSON', '{"name": ', {}, 400, 'malformed-request'],
    ['an empty body', '', {}, 400, 'malformed-request'],
    ['a list', '[]', {}, 422, 'invalid'],
    ['another media type', 'name: x', { 'content-type': 'application/yaml' }, 415, 'unsupported-media-type'],
    ['plain text', 'name', { 'content-type': 'text/plain' }, 415, 'unsupported-media-type'],
    ['too large', JSON.stringify({ name: 'x'.repeat(300_000) }), {}, 413, 'body-too-large'],
    ['too deep', `{"parameters": ${'['.repeat(50_000)}${']'.repeat(50_000)}}`, {}, 422, 'invalid'],
    ['a field named __proto__', '{"__proto__": {"a": 1}}', {}, 400, 'malformed-request'],
  ])('%s', async (_name, body, headers, status, code) => {
    expectProblem(await call('POST', '/admin/tenants', body, { headers: headers as Record<string, string> }), status, code);
  });
});

describe('the router', () => {
  test('answers 404 for an unknown path', async () => {
    expectProblem(await call('GET', '/admin/nothing'), 404, 'route-not-found');
  });

  test.each([
    ['PUT', '/admin/tenants', 'GET, HEAD, POST'],
    ['POST', '/admin/tenants/acme', 'DELETE, GET, HEAD, PATCH'],
    ['DELETE', '/healthz', 'GET, HEAD'],
  ])('answers %s %s with 405 and the allowed methods', async (method, path, allow) => {
    const answer = await call(method, path);
    expectProblem(answer, 405, 'method-not-allowed');
    expect(answer.headers.get('allow')).toBe(allow);
  });
});

/** Status of a request whose path goes out as it stands: fetch would tidy it up. */
function rawStatus(method: string, path: string): Promise<number> {
  const { adminUrl, adminToken } = inject('tenantry');
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(adminUrl);
    const headers = { authorization: `Bearer ${adminToken}`, ...(method === 'PATCH' ? { 'content-type': 'application/json' } : {}) };
    httpRequest({ hostname, port, method, path, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on('error', reject)
      .end(method === 'PATCH' ? '{}' : undefined);
  });
}

describe('a name in a path', () => {
  test.each(['.', '..', '%2e', '%2e%2e', 'acme%2fstatus', '%2e%2e%2fstacktemplates', '%252e', 'ACME', 'a'.repeat(41)])(
    '%s is answered 404',
    async (name) => {
      for (const method of ['GET', 'PATCH', 'DELETE']) expect(await rawStatus(method, `/admin/tenants/${name}`), method).toBe(404);
    },
  );
});

describe('a request id', () => {
  test('is kept when it is valid', async () => {
    const answer = await call('GET', '/admin/tenants/nobody', undefined, { headers: { 'x-request-id': 'my-request.1' } });
    expect(answer.headers.get('x-request-id')).toBe('my-request.1');
    expect(answer.body['requestId']).toBe('my-request.1');
  });

  test('is replaced when it is not valid', async () => {
    const answer = await call('GET', '/healthz', undefined, { headers: { 'x-request-id': 'not good; at all' } });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('reading tenants', () => {
  test('answers 404 for an unknown tenant', async () => {
    expectProblem(await call('GET', '/admin/tenants/nobody'), 404, 'tenant-not-found');
    expectProblem(await call('PATCH', '/admin/tenants/nobody', {}), 404, 'tenant-not-found');
    expectProblem(await call('DELETE', '/admin/tenants/nobody'), 404, 'tenant-not-found');
  });

  test('lists every tenant once over all pages', async () => {
    const names = ['page-a', 'page-b', 'page-c'].map(fresh);
    for (const name of names) await create(name);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { status, body } = await call('GET', `/admin/tenants?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      const { items, nextCursor } = body as unknown as { items: { name: string }[]; nextCursor?: string };
      expect(items.length).toBeLessThanOrEqual(2);
      seen.push(...items.map(({ name }) => name));
      cursor = nextCursor;
    } while (cursor !== undefined);
    expect(seen.filter((name) => names.includes(name))).toEqual(names);
    expect(new Set(seen).size).toBe(seen.length);
  });

  const limits = [
    '0',
    '501',
    'x',
    '',
    '0x10',
    '1e1',
    '+5',
    '%2B5',
    '%205',
    '5%20',
    '05',
    '1.0',
    '-1',
    'NaN',
    'Infinity',
    '1,2',
    '5&limit=6',
    '%D9%A5',
  ];
  test.each([
    ...limits.map((limit) => [`limit=${limit}`, 'limit']),
    ['cursor=%21%21', 'cursor'],
    ['cursor=WyJuYW1lIl0', 'cursor'],
    ['sort=size', 'sort'],
    ['phase=Sleeping', 'phase'],
    ['labelSelector=)', 'labelSelector'],
    ['labelSelector=tier%20in%20(gold', 'labelSelector'],
    ['labelSelector=a&labelSelector=b', 'labelSelector'],
    ['colour=red', 'colour'],
    ['__proto__=x', '__proto__'],
  ])('answers ?%s with 400 and names %s', async (query, parameter) => {
    for (const path of parameter === 'limit' || parameter === 'colour' ? ['/admin/tenants', '/admin/audit'] : ['/admin/tenants']) {
      const answer = await call('GET', `${path}?${query}`);
      expectProblem(answer, 400, 'invalid-query');
      expect(answer.body['detail']).toContain(parameter);
    }
  });
});

describe('changing a tenant', () => {
  test('sets, removes and keeps fields with a merge patch', async () => {
    const name = fresh('patched');
    await create(name, { displayName: 'Before', parameters: { pageSize: 5, mode: 'a' } });
    const answer = await call('PATCH', `/admin/tenants/${name}`, { displayName: null, parameters: { pageSize: 7 } });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ spec: { parameters: { pageSize: 7, mode: 'a' }, suspended: true } });
    expect(answer.body['spec']).not.toHaveProperty('displayName');
    expect((await call('GET', `/admin/tenants/${name}`)).body['spec']).toEqual(answer.body['spec']);
  });

  test('accepts application/merge-patch+json', async () => {
    const name = fresh('merge-type');
    await create(name);
    const headers = { 'content-type': 'application/merge-patch+json' };
    const answer = await call('PATCH', `/admin/tenants/${name}`, { displayName: 'Merged' }, { headers });
    expect(answer.body).toMatchObject({ spec: { displayName: 'Merged' } });
  });

  test('points to faults and changes nothing', async () => {
    const name = fresh('unpatched');
    const before = await create(name);
    const answer = await call('PATCH', `/admin/tenants/${name}`, { replicas: 'many', name: 'other', parameters: { mode: 'z' } });
    expectProblem(answer, 422, 'invalid');
    expect(pointers(answer)).toEqual(['/name', '/parameters/mode', '/replicas']);
    expect((await client.get<Tenant>(kinds.Tenant, name)).metadata.generation).toBe(before.body['generation']);
  });

  test('refuses immutable fields by name', async () => {
    const { id } = await sdk.organizations.createOrganization({ name: `First ${run}` });
    const { id: other } = await sdk.organizations.createOrganization({ name: `Second ${run}` });
    const name = fresh('immutable');
    await create(name, { organizationId: id });
    const answer = await call('PATCH', `/admin/tenants/${name}`, { organizationId: other, database: { mode: 'none' } });
    expectProblem(answer, 422, 'invalid');
    expect(pointers(answer)).toEqual(['/database/mode', '/organizationId']);
  });

  test('answers 412 when If-Match does not match', async () => {
    const name = fresh('guarded');
    await create(name);
    let match = { 'if-match': '' };
    // The operator writes the status of a new tenant, which changes the ETag too.
    await expect
      .poll(async () => {
        match = { 'if-match': (await call('GET', `/admin/tenants/${name}`)).headers.get('etag') ?? '' };
        return (await call('PATCH', `/admin/tenants/${name}`, { displayName: 'First' }, { headers: match })).status;
      })
      .toBe(200);
    expectProblem(await call('PATCH', `/admin/tenants/${name}`, { displayName: 'Second' }, { headers: match }), 412, 'precondition-failed');
    for (const tag of ['W/"1"', `W/${match['if-match']}`, '""'])
      expectProblem(await call('PATCH', `/admin/tenants/${name}`, {}, { headers: { 'if-match': tag } }), 412, 'precondition-failed');
    const malformed = await call('PATCH', `/admin/tenants/${name}`, {}, { headers: { 'if-match': '4711' } });
    expectProblem(malformed, 400, 'malformed-request');
    expect(malformed.body['detail']).toContain('if-match must be a list of ETags');
    expect((await call('PATCH', `/admin/tenants/${name}`, { displayName: 'Any' }, { headers: { 'if-match': '*' } })).status).toBe(200);
  });
});

describe('deleting a tenant', () => {
  test('answers 202 and refuses changes and the same name meanwhile', async () => {
    const name = fresh('deleted');
    await create(name);
    await client.patch(kinds.Tenant, name, { metadata: { finalizers: ['test.tenantry.dev/hold'] } });
    try {
      const answer = await call('DELETE', `/admin/tenants/${name}?data=retain`);
      expect(answer.status).toBe(202);
      expect(answer.body['deletedAt']).toEqual(expect.any(String));
      expect((await call('GET', `/admin/tenants/${name}`)).body['deletedAt']).toBe(answer.body['deletedAt']);
      expect((await call('DELETE', `/admin/tenants/${name}?data=retain`)).status).toBe(202);
      expectProblem(await call('PATCH', `/admin/tenants/${name}`, { displayName: 'x' }), 409, 'tenant-deleting');
      const again = await create(name);
      expectProblem(again, 409, 'tenant-deleting');
      expect(again.body['remedy']).toContain('Wait until');
    } finally {
      await release(name);
    }
    await expect.poll(async () => (await call('GET', `/admin/tenants/${name}`)).status, { timeout: 90_000 }).toBe(404);
  });

  /** Takes our own finalizer off again, whatever others have put beside it. */
  async function release(name: string): Promise<void> {
    const { metadata } = await client.get<Tenant>(kinds.Tenant, name);
    const rest = (metadata.finalizers ?? []).filter((finalizer) => finalizer !== 'test.tenantry.dev/hold');
    await client.patch(kinds.Tenant, name, { metadata: { finalizers: rest } });
  }
});

test('health, readiness and metrics require no token', async () => {
  for (const path of ['/healthz', '/readyz']) expect((await fetch(adminUrl + path)).status).toBe(200);
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  for (const name of [
    'http_request_duration_seconds_bucket',
    'controller_runtime_reconcile_total{controller="authorization",result="success"}',
    'controller_runtime_reconcile_errors_total{controller="authorization"}',
    'controller_runtime_reconcile_time_seconds_bucket',
    'controller_runtime_active_workers{controller="authorization"}',
    'workqueue_depth{name="authorization"}',
    'workqueue_queue_duration_seconds_bucket',
    'workqueue_retries_total{name="authorization"}',
    'tenantry_workos_requests_total',
    'rest_client_requests_total',
    'process_resident_memory_bytes',
  ]) {
    expect(metrics).toContain(name);
  }
});
