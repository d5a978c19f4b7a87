import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SendLater } from '../../../../audit/delivery.ts';
import { verifyExport } from '../../../../audit/export.ts';
import { Outbox } from '../../../../audit/outbox.ts';
import { newRecordId, type ToolCallRecord } from '../../../../audit/record.ts';
import type { SignedHead } from '../../../../audit/statements.ts';
import { namespaceOf, pod } from '../../../../crds/names.ts';
import type { Tenant } from '../../../../crds/tenant.ts';
import { kinds } from '../../../../kube/resources.ts';
import { tryListen } from '../../../../local/machine/ports.ts';
import { type Postgres, startPostgres } from '../../../../local/postgres/start.ts';
import type { WorkosStandIn } from '../../../../local/workos/start.ts';
import { ControlPlane } from '../../../../templates/sidecar/auth/control-plane.ts';
import { eventually } from '../../../eventually.ts';
import { type Cluster, createNamespace, createTenant, openWorkos, podToken, startCluster } from '../cluster.ts';
import { KubernetesProxy } from '../kubernetes-proxy.ts';

const main = new URL('../../../../control-plane/main.ts', import.meta.url).pathname;
const sender = new URL('./sender.ts', import.meta.url).pathname;
const system = 'tenantry-system';

let cluster: Cluster;
let workos: WorkosStandIn;
let platformId: string;
let acmeId: string;
let dir: string;
let database: pg.Pool;
let plane: Plane;
const tokens = { platform: '', acme: '', blind: '' };
const pods = { acme: '', globex: '' };
const tenants: Record<'acme' | 'globex', { name: string; uid: string }> = { acme: { name: '', uid: '' }, globex: { name: '', uid: '' } };

interface Plane {
  readonly url: string;
  readonly child: ChildProcess;
}

beforeAll(async () => {
  cluster = await startCluster({ postgres: 'own' });
  dir = await mkdtemp(join(tmpdir(), 'tenantry-audit-http-'));
  workos = await openWorkos(cluster);
  const platform = workos.createOrganization({ name: 'Platform', externalId: 'platform' });
  platformId = platform.id;
  const acme = workos.createOrganization({ name: 'Acme', externalId: 'acme' });
  acmeId = acme.id;
  tokens.platform = await adminOf(platform.id, 'platform-admin', ['tenants:read', 'tenants:write', 'tenants:delete', 'audit:read']);
  tokens.acme = await adminOf(acme.id, 'tenant-admin', ['tenants:read', 'audit:read']);
  tokens.blind = await adminOf(acme.id, 'member', []);
  for (const name of ['acme', 'globex'] as const) {
    const tenant = await createTenant(cluster, name, name === 'acme' ? acme.id : undefined);
    tenants[name] = { name, uid: tenant.metadata.uid ?? '' };
    await createNamespace(cluster, name, tenants[name].uid);
    pods[name] = await podToken(cluster, namespaceOf(name));
  }
  await cluster.client.create(kinds.Namespace, { metadata: { name: system } });
  await cluster.client.create(kinds.ServiceAccount, { metadata: { name: 'tenantry-operator', namespace: system } });
  database = new pg.Pool({ connectionString: cluster.storeUrl });
  database.on('error', () => {});
  database.on('connect', (connection) => connection.on('error', () => {}));
  plane = await run();
});

afterAll(async () => {
  await database?.end();
  await stopped(plane?.child);
  await workos?.close();
  await cluster?.stop();
  if (dir) await rm(dir, { recursive: true });
});

async function adminOf(organizationId: string, role: string, permissions: string[], impersonator?: string): Promise<string> {
  const user = await workos.createUser({ email: `${randomUUID()}@example.com` });
  workos.createMembership({ userId: user.id, organizationId, roleSlug: role });
  return workos.adminToken({ userId: user.id, organizationId, role, permissions, ...(impersonator === undefined ? {} : { impersonator }) });
}

/** The control plane, as its image runs it. */
async function run(port?: number, more: Readonly<Record<string, string>> = {}): Promise<Plane> {
  const at = port ?? (await tryListen(0, '127.0.0.1'));
  const env = {
    PATH: process.env['PATH'],
    PORT: String(at),
    KUBECONFIG: cluster.kubeconfig,
    WORKOS_API_KEY: workos.apiKey,
    WORKOS_CLIENT_ID: workos.clientId,
    WORKOS_API_URL: workos.apiUrl,
    TENANTRY_ADMIN_ISSUER: workos.adminIssuer,
    TENANTRY_OAUTH_ISSUER: workos.issuer,
    TENANTRY_PLATFORM_ORGANIZATION_ID: platformId,
    TENANTRY_STORE_URL: cluster.storeUrl,
    TENANTRY_AUDIT_KEY_FILE: cluster.auditKeyFile,
    TENANTRY_BASE_URL: 'http://localhost:9',
    LOG_LEVEL: 'fatal',
    ...more,
  };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const url = `http://127.0.0.1:${at}`;
  await eventually('the control plane is ready', async () => (await fetch(`${url}/readyz`)).ok);
  return { url, child };
}

async function stopped(child: ChildProcess | undefined, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

function call(change: object = {}) {
  const time = new Date().toISOString();
  const common = { id: newRecordId(), time, requestId: 'r', subject: 'user_1', tool: 'list_items' };
  return { ...common, arguments: { limit: 3 }, durationMs: 4.2, outcome: 'ok', ...change };
}

async function post(path: string, token: string | undefined, body: unknown, url = plane.url) {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const report = (token: string | undefined, records: unknown[], rest: object = {}) => post('/pods/v1/audit', token, { records, ...rest });

async function get<T = Record<string, unknown>>(path: string, token: string): Promise<{ status: number; body: T }> {
  const response = await fetch(`${plane.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, body: (await response.json()) as T };
}

interface Page {
  readonly items: readonly { readonly id: string; readonly tenant?: { name: string; uid: string } & Record<string, unknown> }[];
  readonly nextCursor?: string;
}

async function kept(ids: readonly string[]) {
  const { rows } = await database.query<{ id: string; chain: string }>('SELECT id, chain FROM audit_records WHERE id = ANY($1)', [ids]);
  return rows;
}

describe('a report of a sidecar', () => {
  test('belongs to the tenant of its token, and its clock sets only `time`', async () => {
    const record = call({ time: '2031-02-03T04:05:06.789Z', tenant: tenants.globex, tenantUid: tenants.globex.uid });
    const before = Date.now();
    expect(await report(pods.acme, [record])).toEqual({ status: 200, body: { accepted: 1, refused: [] } });
    const { body } = await get<Page>('/admin/audit?requestId=r&kind=tool-call&limit=1', tokens.platform);
    expect(body.items[0]).toMatchObject({
      id: record.id,
      kind: 'tool-call',
      time: '2031-02-03T04:05:06.789Z',
      actor: 'user_1',
      action: 'tools.call',
      outcome: 'ok',
      tenant: tenants.acme,
      chain: tenants.acme.uid,
      month: new Date().toISOString().slice(0, 7),
      details: { tool: 'list_items', arguments: { limit: 3 }, durationMs: 4.2 },
    });
    const received = Date.parse((body.items[0] as unknown as { received: string }).received);
    expect(received).toBeGreaterThanOrEqual(before - 1_000);
    expect(received).toBeLessThan(Date.now() + 1_000);
  });

  test('is stored once; a malformed record blocks no other', async () => {
    const [good, other] = [call(), call()];
    const bad = call({ durationMs: 'long', tool: 'bad\u0000name' });
    expect(await report(pods.acme, [good, bad, good, 'nonsense', other])).toEqual({
      status: 200,
      body: {
        accepted: 2,
        refused: [
          { id: bad.id, message: expect.stringContaining('/durationMs') },
          { id: '', message: expect.any(String) },
        ],
      },
    });
    expect((await report(pods.acme, [good, other])).body).toEqual({ accepted: 0, refused: [] });
    expect((await kept([good.id, other.id, bad.id])).length).toBe(2);
  });

  test('loses only records with an impossible time, and is not sent again', async () => {
    const good = [call(), call()];
    const times = ['0000-01-01T00:00:00.000Z', '0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z', '2026-13-01T00:00:00.000Z', '', 7];
    const bad = times.map((time) => call({ time }));
    const { status, body } = await report(pods.acme, [good[0], ...bad, good[1]]);
    expect([status, body['accepted']]).toEqual([200, 2]);
    expect(body['refused']).toEqual(bad.map(({ id }) => ({ id, message: expect.stringContaining('/time') })));
    expect((await kept(good.map(({ id }) => id))).length).toBe(2);
    // Uses of keys are sent again with the next batch, so a batch that is refused because of them is not sent for ever.
    expect((await report(pods.acme, [call()], { keys: [{ id: 'k2', lastUsedAt: '0000-01-01T00:00:00.000Z' }] })).status).toBe(422);
  });

  test('above the rate is answered with 429 and delays no other tenant', async () => {
    const limited = await run(undefined, { TENANTRY_AUDIT_TENANT_LIMIT: '60' });
    onTestFinished(() => stopped(limited.child));
    const send = (token: string, count: number) =>
      fetch(`${limited.url}/pods/v1/audit`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ records: Array.from({ length: count }, () => call()) }),
      });
    const { rows } = await database.query<{ sequence: string }>('SELECT sequence FROM audit_heads WHERE chain = $1', [tenants.acme.uid]);
    const before = Number(rows[0]?.sequence);
    for (let batch = 0; batch < 5; batch += 1) expect((await send(pods.acme, 500)).status).toBe(200);
    const refused = await send(pods.acme, 1);
    expect([refused.status, Number(refused.headers.get('retry-after')) > 60]).toEqual([429, true]);
    expect((await send(pods.globex, 1)).status).toBe(200);
    expect(await (await fetch(`${limited.url}/metrics`)).text()).toMatch(/^tenantry_audit_postponed_total 1$/m);
    const after = await database.query<{ sequence: string }>('SELECT sequence FROM audit_heads WHERE chain = $1', [tenants.acme.uid]);
    expect(Number(after.rows[0]?.sequence)).toBe(before + 2_500);
  });

  test('has each bad token reviewed once, and few of one address', async () => {
    const kubeconfig = join(dir, 'counted.kubeconfig');
    const proxy = await KubernetesProxy.start(cluster.kubeconfig, kubeconfig);
    onTestFinished(() => proxy.stop());
    let reviews = 0;
    proxy.rule = ({ path }) => {
      if (path.endsWith('/tokenreviews')) reviews += 1;
      return 'passed';
    };
    // Proxies are believed here, and a pod could claim another address for each request.
    const more = { KUBECONFIG: kubeconfig, TENANTRY_REFUSED_RATE_LIMIT: '10', TENANTRY_TRUSTED_PROXIES: 'loopback' };
    const limited = await run(undefined, more);
    onTestFinished(() => stopped(limited.child));
    // All replicas count together: the control plane of the other tests has refused tokens of this address.
    await database.query('DELETE FROM rate_limits');
    let serial = 0;
    const ask = async (path: string, token: string): Promise<number> => {
      const headers = {
        authorization: `Bearer ${token}`,
        'x-forwarded-for': `10.0.0.${++serial % 250}`,
        'content-type': 'application/json',
      };
      const post = path.endsWith('/audit');
      const response = await fetch(`${limited.url}${path}`, { headers, ...(post ? { method: 'POST', body: '{"records":[]}' } : {}) });
      await response.body?.cancel();
      return response.status;
    };
    expect(await ask('/pods/v1/members/user_1', pods.acme)).toBe(200);
    expect(await ask('/pods/v1/members/user_1', pods.acme)).toBe(200);
    expect(reviews).toBe(1);
    for (let times = 0; times < 5; times += 1) expect(await ask('/pods/v1/audit', 'bad.bad.bad')).toBe(401);
    expect(reviews).toBe(2);
    const answers: number[] = [];
    for (let times = 0; times < 30; times += 1) answers.push(await ask('/pods/v1/jwks', `bad.bad.bad${times}`));
    expect(answers.filter((status) => status === 401)).toHaveLength(5);
    expect(answers.slice(5)).toEqual(Array.from({ length: 25 }, () => 429));
    expect(reviews).toBe(8);
    // A good token that is known works on; the operator's path counts for itself.
    expect(await ask('/pods/v1/members/user_1', pods.acme)).toBe(200);
    for (let times = 0; times < 30; times += 1) answers.push(await ask('/operator/v1/audit', `bad.bad.bad${times}`));
    expect(answers.at(-1)).toBe(429);
    expect(reviews).toBeLessThanOrEqual(20);
  });

  test('is sent again after the delay of Retry-After', async () => {
    const limited = await run(undefined, { TENANTRY_AUDIT_TENANT_LIMIT: '60' });
    onTestFinished(() => stopped(limited.child));
    const tokenFile = join(dir, 'pod-token');
    await writeFile(tokenFile, pods.globex);
    const controlPlane = new ControlPlane({ url: new URL(limited.url), tokenFile });
    const sendNow = (count: number) =>
      controlPlane.audit(
        Array.from({ length: count }, () => call()),
        [],
        AbortSignal.timeout(10_000),
      );
    for (let sent = 0; sent < 2_400; sent += 400) expect(await sendNow(400)).toEqual([]);
    const mayNot = async () => {
      const answer = await sendNow(20).catch((error: unknown) => error);
      return answer instanceof SendLater && answer.afterMs > 8_000;
    };
    await eventually('it has to wait', mayNot);
    const delays: unknown[] = [];
    const outbox = new Outbox<ToolCallRecord>({
      dir: join(dir, 'waiting'),
      maxBytes: 1 << 20,
      send: (records, signal) => controlPlane.audit(records, [], signal),
      now: Date.now,
      log: { warn: ({ err }: { err?: unknown }) => delays.push(err), error: () => {} },
    });
    const waiting = [call(), call(), call()];
    for (const record of waiting) outbox.append(record);
    const done = new AbortController();
    const running = outbox.run(done.signal);
    await eventually('all have arrived', async () => outbox.bytes === 0);
    done.abort();
    await running;
    await controlPlane.close();
    expect(delays).toEqual([expect.any(SendLater)]);
    expect((await kept(waiting.map(({ id }) => id))).length).toBe(3);
  });

  test('stores the latest use of an API key, and no future one', async () => {
    const used = async () =>
      (
        await database.query<{ last_used_at: Date }>(`SELECT last_used_at FROM api_key_usage WHERE tenant_uid = $1 AND key_id = 'k1'`, [
          tenants.acme.uid,
        ])
      ).rows[0]?.last_used_at;
    await report(pods.acme, [], { keys: [{ id: 'k1', lastUsedAt: '2026-01-02T03:04:05.678Z' }] });
    await report(pods.acme, [], { keys: [{ id: 'k1', lastUsedAt: '2026-01-01T00:00:00.000Z' }] });
    expect((await used())?.toISOString()).toBe('2026-01-02T03:04:05.678Z');
    await report(pods.acme, [], { keys: [{ id: 'k1', lastUsedAt: '2099-01-01T00:00:00.000Z' }] });
    expect((await used())?.getTime()).toBeLessThan(Date.now() + 1_000);
  });

  test('is accepted from sidecars alone, in batches of limited size', async () => {
    const other = await podToken(cluster, namespaceOf('acme'), 'other');
    const elsewhere = await podToken(cluster, namespaceOf('acme'), pod.serviceAccount, 'somebody-else');
    const operator = await podToken(cluster, system, 'tenantry-operator');
    for (const token of [undefined, 'nonsense', other, elsewhere, operator, tokens.platform]) {
      expect((await report(token, [call()])).status).toBe(401);
    }
    expect(
      (
        await report(
          pods.acme,
          Array.from({ length: 501 }, () => call()),
        )
      ).status,
    ).toBe(422);
    expect((await report(pods.acme, [call({ arguments: 'x'.repeat(1_100_000) })])).status).toBe(413);
    expect((await post('/pods/v1/audit', pods.acme, { nothing: true })).status).toBe(422);
  });
});

describe('a report of the operator', () => {
  const common = () => ({ id: newRecordId(), time: new Date().toISOString(), secrets: ['tenantry-database'], outcome: 'ok' });

  test('is stored in the chains of the tenants that it names', async () => {
    const token = await podToken(cluster, system, 'tenantry-operator');
    const rotation = { kind: 'rotation', ...common(), tenant: tenants.acme, cause: 'request' };
    const read = { kind: 'secret-read', ...common(), tenant: tenants.globex, purpose: 'sweep' };
    expect(await post('/operator/v1/audit', token, { records: [rotation, read, { kind: 'other' }] })).toMatchObject({
      status: 200,
      body: { accepted: 2, refused: [{}] },
    });
    expect(await kept([rotation.id, read.id])).toEqual(
      expect.arrayContaining([
        { id: rotation.id, chain: tenants.acme.uid },
        { id: read.id, chain: tenants.globex.uid },
      ]),
    );
    const { body } = await get<Page>('/admin/audit?action=secrets.rotate', tokens.acme);
    expect(body.items).toMatchObject([
      { id: rotation.id, actor: 'tenantry-system/tenantry-operator', details: { secrets: ['tenantry-database'], cause: 'request' } },
    ]);
  });

  test('is accepted from the operator alone', async () => {
    const record = { kind: 'rotation', ...common(), tenant: tenants.acme, cause: 'request' };
    const elsewhere = await podToken(cluster, system, 'tenantry-operator', 'somebody-else');
    for (const token of [undefined, pods.acme, elsewhere, tokens.platform]) {
      expect((await post('/operator/v1/audit', token, { records: [record] })).status).toBe(401);
    }
    expect(await kept([record.id])).toEqual([]);
  });
});

describe('an administrator', () => {
  test('needs the permission, and reads only the records of their organization’s tenants', async () => {
    await report(pods.acme, [call()]);
    await report(pods.globex, [call()]);
    for (const path of ['', '/verify', '/export', '/heads', '/keys']) {
      expect((await get(`/admin/audit${path}`, tokens.blind)).status).toBe(403);
      expect((await fetch(`${plane.url}/admin/audit${path}`)).status).toBe(401);
    }
    const seen = async (token: string) => {
      const names = new Set<string | undefined>();
      for (const { tenant } of (await get<Page>('/admin/audit?limit=500', token)).body.items) names.add(tenant?.name);
      return names;
    };
    expect(await seen(tokens.acme)).toEqual(new Set(['acme']));
    expect([...(await seen(tokens.platform))]).toEqual(expect.arrayContaining(['acme', 'globex']));
    for (const path of ['verify', 'export', 'heads']) {
      const foreign = await get<{ detail: string }>(`/admin/audit/${path}?tenant=globex`, tokens.acme);
      const absent = await get<{ detail: string }>(`/admin/audit/${path}?tenant=nobody`, tokens.acme);
      expect([foreign.status, absent.status]).toEqual([404, 404]);
      expect(foreign.body.detail.replace('globex', 'nobody')).toBe(absent.body.detail);
    }
    expect((await get<Page>('/admin/audit?tenant=globex', tokens.acme)).body).toEqual({ items: [] });
    const { months } = (await get<{ months: { tenant: string }[] }>('/admin/audit/verify', tokens.acme)).body;
    expect(months.every(({ tenant }) => tenant === 'acme')).toBe(true);
    expect(months.length).toBeGreaterThan(0);
  });

  test('reads the records of a deleted tenant', async () => {
    const tenant = await createTenant(cluster, 'bygone', acmeId);
    const uid = tenant.metadata.uid ?? '';
    await createNamespace(cluster, 'bygone', uid);
    const token = await podToken(cluster, namespaceOf('bygone'));
    const record = call();
    await eventually('the tenant is known', async () => (await report(token, [record])).status === 200);
    await cluster.client.delete(kinds.Tenant, 'bygone');
    await eventually('the tenant is gone', async () => (await get('/admin/tenants/bygone', tokens.acme)).status === 404);
    const { body } = await get<Page>('/admin/audit?tenant=bygone', tokens.acme);
    expect(body.items.map(({ id }) => id)).toEqual([record.id]);
    expect((await get('/admin/audit/verify?tenant=bygone', tokens.acme)).body).toMatchObject({ ok: true, records: 1 });
    // Its token is no longer valid.
    await eventually('the token is refused', async () => (await report(token, [call()])).status === 401);
  });

  test('reads the intent, the outcome and the refusal of each action', async () => {
    const headers = { authorization: `Bearer ${tokens.platform}`, 'content-type': 'application/json', 'x-request-id': 'create-1' };
    const body = JSON.stringify({ name: 'fresh', template: { name: 'plain' } });
    const created = await fetch(`${plane.url}/admin/tenants`, { method: 'POST', headers, body });
    expect(created.status).toBe(201);
    const uid = ((await created.json()) as { uid: string }).uid;
    const { body: page } = await get<Page>('/admin/audit?requestId=create-1', tokens.platform);
    expect(page.items).toMatchObject([
      { action: 'tenants.create', outcome: 'ok', tenant: { name: 'fresh', uid }, chain: uid },
      { action: 'tenants.create', outcome: 'intended', tenant: { name: 'fresh' }, chain: 'platform' },
    ]);
    expect((await get<Page>('/admin/audit?tenant=fresh', tokens.platform)).body.items.length).toBe(2);
    const refused = await fetch(`${plane.url}/admin/tenants/acme`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${tokens.acme}`, 'x-request-id': 'delete-1' },
    });
    expect(refused.status).toBe(403);
    expect((await get<Page>('/admin/audit?requestId=delete-1', tokens.platform)).body.items).toMatchObject([
      { action: 'tenants.delete', outcome: 'forbidden', tenant: { name: 'acme' } },
    ]);
  });

  test('is recorded when trying a tenant of another organization', async () => {
    const token = await adminOf(acmeId, 'tenant-admin', ['tenants:read', 'tenants:write', 'tenants:delete', 'audit:read']);
    const send = async (method: string, path: string, requestId: string): Promise<unknown> => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-request-id': requestId };
      const body = method === 'PATCH' ? { body: '{"displayName":"Mine"}' } : {};
      const response = await fetch(`${plane.url}${path}`, { method, headers, ...body });
      const { requestId: _, ...rest } = (await response.json()) as Record<string, unknown>;
      return [response.status, rest['code']];
    };
    const tries: [string, string, string, string][] = [
      ['GET', '/admin/tenants/globex', 'tenants.read', 'globex'],
      ['GET', '/admin/tenants/nowhere', 'tenants.read', 'nowhere'],
      ['PATCH', '/admin/tenants/globex', 'tenants.patch', 'globex'],
      ['POST', '/admin/tenants/globex/suspend', 'tenants.suspend', 'globex'],
      ['GET', '/admin/tenants/globex/api-keys', 'tenants.read', 'globex'],
      ['GET', '/admin/audit/verify?tenant=globex', 'tenants.read', 'globex'],
    ];
    for (const [index, [method, path, action, name]] of tries.entries()) {
      expect(await send(method, path, `try-${index}`)).toEqual([404, 'tenant-not-found']);
      const { items } = (await get<Page>(`/admin/audit?requestId=try-${index}`, tokens.platform)).body;
      const refusals = items.filter((item) => (item as unknown as { outcome: string }).outcome === 'tenant-not-found');
      expect(refusals).toMatchObject([
        { action, outcome: 'tenant-not-found', tenant: { name }, chain: 'platform', organizationId: acmeId },
      ]);
    }
    // Neither an administrator of the platform, who sees all, nor a tenant's own is recorded as one who tries.
    for (const [who, path, id] of [
      [tokens.platform, '/admin/tenants/nowhere', 'typo-1'],
      [token, '/admin/tenants/acme', 'own-1'],
    ] as const) {
      await fetch(`${plane.url}${path}`, { headers: { authorization: `Bearer ${who}`, 'x-request-id': id } });
      expect((await get<Page>(`/admin/audit?requestId=${id}`, tokens.platform)).body.items).toEqual([]);
    }
  });

  test('is distinguished from a person who signed in as them', async () => {
    const token = await adminOf(platformId, 'platform-admin', ['tenants:write', 'audit:read'], 'support@example.com');
    const send = (path: string, method: string, requestId: string, body?: object) =>
      fetch(`${plane.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-request-id': requestId },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    expect((await send('/admin/tenants', 'POST', 'acted-1', { name: 'acted', template: { name: 'plain' } })).status).toBe(201);
    expect((await send('/admin/tenants/acted', 'DELETE', 'acted-2')).status).toBe(403);
    const impersonator = 'support@example.com';
    for (const [requestId, outcomes] of Object.entries({ 'acted-1': ['ok', 'intended'], 'acted-2': ['forbidden'] })) {
      const { body } = await get<Page>(`/admin/audit?requestId=${requestId}`, tokens.platform);
      expect(body.items).toMatchObject(outcomes.map((outcome) => ({ outcome, impersonator, actor: expect.stringMatching(/^user_/) })));
    }
    const response = await fetch(`${plane.url}/admin/audit/export?tenant=acted`, {
      headers: { authorization: `Bearer ${tokens.platform}` },
    });
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.filter((line) => line.includes('"impersonator":"support@example.com"'))).toHaveLength(1);
    expect((await verifyExport(lines)).ok).toBe(true);
    await database.query(`UPDATE audit_records SET impersonator = NULL WHERE request_id = 'acted-1'`);
    expect((await get('/admin/audit/verify?tenant=acted', tokens.platform)).body).toMatchObject({ ok: false });
    await database.query(`UPDATE audit_records SET impersonator = $1 WHERE request_id = 'acted-1'`, [impersonator]);
    expect((await get('/admin/audit/verify?tenant=acted', tokens.platform)).body).toMatchObject({ ok: true });
    // Records of their own actions have no impersonator.
    expect(JSON.stringify((await get<Page>('/admin/audit?requestId=create-1', tokens.platform)).body)).not.toContain('impersonator');
  });

  test('finds records by each filter, and receives the fault of a wrong query', async () => {
    const subject = `user_${randomUUID().slice(0, 8)}`;
    const records = [call({ subject }), call({ subject, outcome: 'denied' }), call({ subject })];
    await report(pods.globex, records.slice(0, 2));
    await report(pods.globex, records.slice(2));
    const find = async (query: string) =>
      (await get<Page>(`/admin/audit?actor=${subject}&${query}`, tokens.platform)).body.items.map(({ id }) => id);
    const [first, second, third] = records.map(({ id }) => id);
    expect(await find('')).toEqual([third, second, first]);
    expect(await find('outcome=denied')).toEqual([second]);
    expect(await find('action=tools.call&kind=tool-call&tenant=globex')).toEqual([third, second, first]);
    expect(await find('kind=admin')).toEqual([]);
    const { body } = await get<{ items: { received: string }[] }>(`/admin/audit?actor=${subject}`, tokens.platform);
    const last = encodeURIComponent(body.items[0]?.received ?? '');
    expect(await find(`from=${last}`)).toEqual(
      body.items.filter(({ received }) => received >= (body.items[0]?.received ?? '')).map((_item, index) => [third, second, first][index]),
    );
    expect(await find(`to=${last}`)).not.toContain(third);
    for (const query of ['from=yesterday', 'kind=other', 'limit=0', 'limit=501', 'cursor=nonsense', 'unknown=1', 'actor=%00', 'actor=']) {
      expect((await get(`/admin/audit?${query}`, tokens.platform)).status).toBe(400);
    }
    for (const query of ['from=2026', 'to=2026-13', 'from=2026-1', 'from=2026-11&to=2026-10']) {
      for (const path of ['verify', 'export', 'heads']) {
        expect((await get(`/admin/audit/${path}?${query}`, tokens.platform)).status).toBe(400);
      }
    }
    expect((await get('/admin/audit/verify?from=2001-01&to=2001-02', tokens.platform)).body).toEqual({
      verdict: 'nothing-checked',
      ok: false,
      records: 0,
      months: [],
    });
  });

  test('pages through all records once while others are appended', async () => {
    const subject = `user_${randomUUID().slice(0, 8)}`;
    const present: string[] = [];
    for (let batch = 0; batch < 6; batch += 1) {
      const records = Array.from({ length: 25 }, () => call({ subject }));
      await report(batch % 2 === 0 ? pods.acme : pods.globex, records);
      present.push(...records.map(({ id }) => id));
    }
    const read: string[] = [];
    let cursor: string | undefined;
    do {
      const from = cursor === undefined ? '' : `&cursor=${cursor}`;
      const { body } = await get<Page>(`/admin/audit?actor=${subject}&limit=7${from}`, tokens.platform);
      read.push(...body.items.map(({ id }) => id));
      cursor = body.nextCursor;
      await report(pods.acme, [call({ subject }), call({ subject })]);
    } while (cursor !== undefined);
    expect(read).toEqual(present.toReversed());
  });
});

describe('a verifier', () => {
  test('verifies an export with kept keys and heads', async () => {
    await report(pods.acme, [call(), call(), call()]);
    const response = await fetch(`${plane.url}/admin/audit/export?tenant=acme`, { headers: { authorization: `Bearer ${tokens.acme}` } });
    expect(response.headers.get('content-type')).toBe('application/jsonl; charset=utf-8');
    const text = await response.text();
    const { keys } = (await get<{ keys: unknown[] }>('/admin/audit/keys', tokens.acme)).body;
    const { items: heads } = (await get<{ items: SignedHead[] }>('/admin/audit/heads', tokens.acme)).body;
    const verdict = await verifyExport(text.split('\n'), { keys, heads });
    expect(verdict).toMatchObject({ ok: true, whole: true, months: [{ chain: tenants.acme.uid, state: 'intact' }] });
    expect(verdict.records).toBeGreaterThan(3);
  });

  test('receives the first wrong record, and that the rest is intact', async () => {
    const name = 'tampered';
    const tenant: Tenant = await createTenant(cluster, name);
    const uid = tenant.metadata.uid ?? '';
    await createNamespace(cluster, name, uid);
    const token = await podToken(cluster, namespaceOf(name));
    const records = [call(), call(), call()];
    await eventually('the tenant is known', async () => (await report(token, records)).status === 200);
    const verify = () =>
      get<{ ok: boolean; firstBroken?: object; months: object[] }>(`/admin/audit/verify?tenant=${name}`, tokens.platform);
    expect((await verify()).body).toMatchObject({ ok: true, records: 3, months: [{ tenant: name, chain: uid, state: 'intact' }] });
    await database.query(`UPDATE audit_records SET outcome = 'denied' WHERE chain = $1 AND sequence = 2`, [uid]);
    expect((await verify()).body).toMatchObject({ ok: false, firstBroken: { chain: uid, sequence: 2, recordId: records[1]?.id } });
    expect((await get<{ ok: boolean }>('/admin/audit/verify?tenant=acme', tokens.platform)).body.ok).toBe(true);
    await database.query('DELETE FROM audit_records WHERE chain = $1', [uid]);
    expect((await verify()).body).toMatchObject({ ok: false, firstBroken: { sequence: 1 } });
  });
});

describe('verifications and exports', () => {
  test('are limited for each organization, delay no other, and end with their callers', async () => {
    const blocker = await database.connect();
    await blocker.query('BEGIN');
    await blocker.query('LOCK TABLE audit_records IN ACCESS EXCLUSIVE MODE');
    const gone = new AbortController();
    const read = (path: string, token: string, signal?: AbortSignal) =>
      fetch(`${plane.url}/admin/audit/${path}`, {
        headers: { authorization: `Bearer ${token}` },
        ...(signal === undefined ? {} : { signal }),
      });
    const waiting = async () =>
      (await database.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`)).rowCount ?? 0;
    const exports = ['export', 'export'].map((path) => read(path, tokens.platform, gone.signal).catch(() => undefined));
    let others: Promise<Response>[] = [];
    try {
      await eventually('the places of the platform are taken', async () => (await waiting()) >= 2);
      const refused = await read('verify?tenant=acme', tokens.platform);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10']);
      others = [read('verify', tokens.acme), read('export', tokens.acme)];
      await eventually('another organization reads', async () => (await waiting()) >= 4);
    } finally {
      gone.abort();
      await blocker.query('ROLLBACK');
      blocker.release();
    }
    await Promise.all(exports);
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200]);
    expect(await eventually('a place is free', async () => (await read('verify?tenant=acme', tokens.platform)).status === 200)).toBe(true);
  });
});

describe('no record is lost or stored twice', () => {
  test('when the control plane is killed before it has stored a batch, and when its answer is lost', async () => {
    const records = [call(), call()];
    const blocker = await database.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM audit_chains WHERE chain = $1 FOR UPDATE', [tenants.globex.uid]);
    const answer = report(pods.globex, records).catch((error: unknown) => error);
    await eventually('the batch waits', async () => {
      const { rowCount } = await database.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return rowCount === 1;
    });
    await stopped(plane.child, 'SIGKILL');
    expect(await answer).toBeInstanceOf(Error);
    await blocker.query('ROLLBACK');
    blocker.release();
    plane = await run();
    const repeated = await report(pods.globex, records);
    expect(repeated.status).toBe(200);
    // A sender without an answer sends again.
    expect((await report(pods.globex, records)).body).toEqual({ accepted: 0, refused: [] });
    expect((await kept(records.map(({ id }) => id))).length).toBe(2);
  });

  test('when two replicas store the same and other batches of a tenant', async () => {
    const second = await run();
    try {
      const batches = Array.from({ length: 20 }, () => Array.from({ length: 10 }, () => call()));
      const answers = await Promise.all(
        batches.flatMap((records) => [
          post('/pods/v1/audit', pods.acme, { records }, plane.url),
          post('/pods/v1/audit', pods.acme, { records }, second.url),
        ]),
      );
      expect(answers.every(({ status }) => status === 200)).toBe(true);
      expect(answers.reduce((sum, { body }) => sum + Number(body['accepted']), 0)).toBe(200);
      expect((await get<{ ok: boolean }>('/admin/audit/verify?tenant=acme', tokens.platform)).body.ok).toBe(true);
    } finally {
      await stopped(second.child);
    }
  });

  test('when sidecar and control plane are killed and PostgreSQL is unavailable', async () => {
    const port = Number(new URL(plane.url).port);
    const [spool, told] = [join(dir, 'spool'), join(dir, 'told')];
    const token = await podToken(cluster, namespaceOf('globex'));
    const start = async (...mode: string[]) => {
      const child = spawn(process.execPath, [sender, spool, told, plane.url, token, ...mode], { stdio: ['ignore', 'pipe', 'inherit'] });
      if (mode.length === 0 && child.stdout) await once(child.stdout, 'data');
      return child;
    };
    const arrivals = async () =>
      Number((await database.query('SELECT count(*) FROM audit_records WHERE chain = $1', [tenants.globex.uid])).rows[0]?.count);
    const arrive = async (more: number) => {
      const before = await arrivals();
      await eventually('records arrive', async () => (await arrivals()) > before + more);
    };
    let sidecar = await start();
    onTestFinished(() => stopped(sidecar, 'SIGKILL'));
    for (let round = 0; round < 3; round += 1) {
      await arrive(40);
      await stopped(plane.child, 'SIGKILL');
      plane = await run(port);
      await arrive(40);
      await stopped(sidecar, 'SIGKILL');
      sidecar = await start();
    }
    await arrive(20);
    await cluster.postgres.stop();
    const answer = await report(pods.globex, [call()]);
    expect([answer.status, answer.body['type']]).toEqual([503, 'https://tenantry.dev/problems/store-unavailable']);
    const postgres: Postgres = await startPostgres({ dir: postgresDir(), fsync: false, log: pino({ level: 'silent' }) });
    try {
      await eventually('records arrive again', async () => (await arrivals().catch(() => 0)) > 0);
      await arrive(40);
      await stopped(sidecar, 'SIGKILL');
      await once(await start('drain'), 'exit');
      const promised = readFileSync(told, 'utf8').trim().split('\n');
      const { rows } = await database.query<{ id: string }>('SELECT id FROM audit_records WHERE id = ANY($1)', [promised]);
      expect(promised.length).toBeGreaterThan(300);
      expect(rows.map(({ id }) => id).sort()).toEqual(promised.toSorted());
      const { body } = await get<{ ok: boolean; months: { signedThrough: number }[] }>(
        '/admin/audit/verify?tenant=globex',
        tokens.platform,
      );
      expect(body.ok).toBe(true);
      // A control plane that starts and leads signs the chains that it finds.
      expect(body.months.at(-1)?.signedThrough).toBeGreaterThan(0);
    } finally {
      await stopped(plane.child);
      await postgres.stop();
    }
  });
});

/** Data folder of the cluster's PostgreSQL. */
function postgresDir(): string {
  return join(cluster.workosDir, '../postgres');
}
