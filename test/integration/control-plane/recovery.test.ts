import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tenant } from '../../../crds/tenant.ts';
import { kinds } from '../../../kube/resources.ts';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { eventually } from '../../eventually.ts';
import { Gate } from '../../gate.ts';
import { type Cluster, openWorkos, startCluster, startPlane } from './cluster.ts';

let cluster: Cluster;
let workos: WorkosStandIn;
let plane: Awaited<ReturnType<typeof startPlane>>;
let token: string;
let organization: string;
const gates: Record<'kubernetes' | 'postgres' | 'workos', Gate> = {} as never;

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  const kubeconfig = await readFile(cluster.kubeconfig, 'utf8');
  const server = /server"?: "?(https:\/\/[^\s"]+)/.exec(kubeconfig)?.[1] ?? '';
  const store = new URL(cluster.storeUrl);
  const ports: Record<string, number> = {};
  for (const [name, port] of [
    ['kubernetes', new URL(server).port],
    ['postgres', store.port],
    ['workos', new URL(workos.apiUrl).port],
  ] as const) {
    gates[name] = new Gate(Number(port));
    ports[name] = await gates[name].listen();
  }
  const throughGate = join(cluster.workosDir, 'kubeconfig');
  await writeFile(throughGate, kubeconfig.replace(server, `https://127.0.0.1:${ports['kubernetes']}`));
  store.port = String(ports['postgres']);
  const platform = workos.createOrganization({ name: 'Platform' }).id;
  organization = workos.createOrganization({ name: 'Acme' }).id;
  const user = await workos.createUser({ email: 'admin@example.com', password: 'a password for tests' });
  workos.createMembership({ userId: user.id, organizationId: platform, roleSlug: 'platform-admin' });
  const permissions = ['tenants:read', 'tenants:write', 'tenants:delete', 'tenants:rotate', 'audit:read', 'templates:write'];
  token = await workos.adminToken({ userId: user.id, organizationId: platform, role: 'platform-admin', permissions });
  const apiUrl = `http://127.0.0.1:${ports['workos']}`;
  const { apiKey, clientId, adminIssuer, issuer } = workos;
  plane = await startPlane(
    cluster,
    { apiUrl, apiKey, clientId, adminIssuer, issuer },
    { kubeconfig: throughGate, storeUrl: store.href, platformOrganizationId: platform },
  );
});

afterAll(async () => {
  await plane.stop();
  for (const gate of Object.values(gates)) gate.stop();
  await workos.close();
  await cluster.stop();
});

async function call(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const response = await fetch(plane.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
}

const create = (name: string) =>
  call(
    'POST',
    '/admin/tenants',
    { name, organizationId: organization, template: { name: 'plain' } },
    { 'idempotency-key': `make-${name}` },
  );
const stored = (name: string) => cluster.client.find<Tenant>(kinds.Tenant, name);

function expectLater({ status, headers, body }: Awaited<ReturnType<typeof call>>, code: string): void {
  expect([status, body['type']]).toEqual([503, `https://tenantry.dev/problems/${code}`]);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
}

/** Outcomes in the audit of what was done to a tenant of that name, in the order in which it happened. */
async function outcomes(action: string, name: string): Promise<string[]> {
  const { body } = await call('GET', `/admin/audit?action=${action}&limit=500`);
  const records = body['items'] as { outcome: string; tenant?: { name: string }; time: string }[];
  return records
    .filter(({ tenant }) => tenant?.name === name)
    .sort((a, b) => Date.parse(a.time) - Date.parse(b.time) || (a.outcome === 'intended' ? -1 : 1))
    .map(({ outcome }) => outcome);
}

describe.each([
  ['kubernetes', 'kubernetes-unavailable'],
  ['postgres', 'store-unavailable'],
  ['workos', 'identity-provider-unavailable'],
] as const)('while %s is unavailable', (gone, code) => {
  const [before, meanwhile] = [`before-${gone}`, `meanwhile-${gone}`];

  test('answers changes with 503, changes nothing, and recovers without a restart', async () => {
    // WorkOS is asked for each organization once in five minutes, so it gets one nobody has asked for.
    organization = workos.createOrganization({ name: `Of ${gone}` }).id;
    expect((await create(before)).status).toBe(201);
    if (gone === 'workos') organization = workos.createOrganization({ name: 'Of nobody yet' }).id;
    const generation = (await stored(before))?.metadata.generation;
    gates[gone].shut();
    try {
      expectLater(await create(meanwhile), code);
      expect(await stored(meanwhile)).toBeUndefined();
      if (gone !== 'workos') {
        expectLater(await call('PATCH', `/admin/tenants/${before}`, { displayName: 'Changed' }), code);
        expectLater(await call('DELETE', `/admin/tenants/${before}?data=delete`), code);
        expectLater(await call('POST', `/admin/tenants/${before}/rotate`), code);
      }
      const unharmed = await stored(before);
      expect([unharmed?.metadata.generation, unharmed?.metadata.deletionTimestamp]).toEqual([generation, undefined]);
      expect((await fetch(`${plane.url}/healthz`)).status).toBe(200);
    } finally {
      gates[gone].reopen();
    }

    const answer = await eventually('the same request succeeds', async () => {
      const again = await create(meanwhile);
      return again.status === 201 ? again : undefined;
    });
    expect(answer.body['uid']).toBe((await stored(meanwhile))?.metadata.uid);
    expect((await create(meanwhile)).headers.get('idempotency-replayed')).toBe('true');
    expect((await call('PATCH', `/admin/tenants/${before}`, { displayName: 'Changed' })).status).toBe(200);
    // What was refused for want of the database was never begun; all else has its outcome, which may have had to wait for the database.
    const recorded = await eventually('each intent has its outcome', async () => {
      const all = await outcomes('tenants.create', meanwhile);
      return all.filter((outcome) => outcome === 'intended').length === all.length / 2 && all;
    });
    expect(recorded.slice(-2)).toEqual(['intended', 'ok']);
    // Without WorkOS it may have ended before that, where nobody could tell whether the administrator still is one.
    expect(recorded.slice(0, -2).filter((outcome) => outcome !== 'intended' && outcome !== code)).toEqual([]);
    if (gone === 'kubernetes') expect(recorded).toContain(code);
  });

  test('answers reads from its caches, or with 503 and Retry-After', async () => {
    gates[gone].shut();
    try {
      const answer = await call('GET', `/admin/tenants/${before}`);
      if (answer.status !== 200) expectLater(answer, code);
      if (gone === 'kubernetes') expect(answer.status).toBe(200);
    } finally {
      gates[gone].reopen();
    }
    await eventually('it reads again', async () => (await call('GET', `/admin/tenants/${before}`)).status === 200);
  });
});

describe('a request whose process was killed', () => {
  const attempt = (change: string) => query(`UPDATE idempotency_keys SET answer = NULL, ${change} WHERE key = 'make-died'`);

  async function query(text: string): Promise<void> {
    const connection = new pg.Client({ connectionString: cluster.storeUrl });
    await connection.connect();
    await connection.query(text).finally(() => connection.end());
  }

  test('is completed by a repetition with the same idempotency key', async () => {
    const first = await create('died');
    expect(first.status).toBe(201);
    await attempt("locked_until = now() + interval '1 minute'");
    const waiting = await create('died');
    expect([waiting.status, waiting.body['type']]).toEqual([409, 'https://tenantry.dev/problems/idempotency-in-progress']);
    expect(Number(waiting.headers.get('retry-after'))).toBeGreaterThan(0);
    await attempt("locked_until = now() - interval '1 second'");
    const again = await create('died');
    expect([again.status, again.body['uid'], again.headers.get('idempotency-replayed')]).toEqual([201, first.body['uid'], 'false']);
  });
});
