import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tenant } from '../../../crds/tenant.ts';
import { kinds } from '../../../kube/resources.ts';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { eventually } from '../../eventually.ts';
import { Gate } from '../../gate.ts';
import { type Cluster, expectNoSecrets, openWorkos, startCluster } from './cluster.ts';
import { environmentOf, PlaneProcess } from './process.ts';

type Neighbour = 'kubernetes' | 'postgres' | 'workos';

/** Every request is answered within this time, whatever hangs: docs/security.md. */
const answerMs = 20_000;
/**
 * Longer than any time limit of the control plane's, those of what it remembers included. An outage lasts a minute: so long the neighbour hangs,
 * and so long it refuses.
 */
const halfMs = 30_000;

let cluster: Cluster;
let workos: WorkosStandIn;
let token: string;
let platform: string;
const planes: PlaneProcess[] = [];
const gates: Gate[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  platform = workos.createOrganization({ name: 'Platform' }).id;
  const user = await workos.createUser({ email: 'admin@example.com' });
  workos.createMembership({ userId: user.id, organizationId: platform, roleSlug: 'platform-admin' });
  const permissions = ['tenants:read', 'tenants:write', 'tenants:delete', 'tenants:rotate', 'audit:read'];
  token = await workos.adminToken({ userId: user.id, organizationId: platform, role: 'platform-admin', permissions });
});

afterAll(async () => {
  for (const plane of planes) plane.child.kill('SIGKILL');
  for (const gate of gates) gate.stop();
  await workos.close();
  await cluster.stop();
});

/** Each has a database of its own: what is known of memberships would be kept fresh by the others. */
async function newStore(name: string): Promise<URL> {
  const url = new URL(cluster.storeUrl);
  const connection = new pg.Client({ connectionString: cluster.postgres.url });
  await connection.connect();
  await connection
    .query(`CREATE DATABASE ${pg.escapeIdentifier(name)} OWNER ${pg.escapeIdentifier(url.username)} TEMPLATE template0`)
    .finally(() => connection.end());
  url.pathname = `/${name}`;
  return url;
}

/** A control plane with a gate before that one neighbour. */
async function startBehind(neighbour: Neighbour): Promise<{ plane: PlaneProcess; gate: Gate; url: string }> {
  const store = await newStore(`hang_${neighbour}`);
  const kubeconfig = await readFile(cluster.kubeconfig, 'utf8');
  const server = /server"?: "?(https:\/\/[^\s"]+)/.exec(kubeconfig)?.[1] ?? '';
  const gate = new Gate(Number({ kubernetes: new URL(server).port, postgres: store.port, workos: new URL(workos.apiUrl).port }[neighbour]));
  gates.push(gate);
  const port = await gate.listen();
  const file = join(cluster.workosDir, `kubeconfig-${neighbour}`);
  await writeFile(file, kubeconfig.replace(server, `https://127.0.0.1:${port}`));
  if (neighbour === 'postgres') store.port = String(port);
  const plane = new PlaneProcess({
    ...environmentOf(cluster, workos, platform),
    TENANTRY_STORE_URL: store.href,
    ...(neighbour === 'kubernetes' ? { KUBECONFIG: file } : {}),
    ...(neighbour === 'workos' ? { WORKOS_API_URL: `http://127.0.0.1:${port}` } : {}),
  });
  planes.push(plane);
  const url = await plane.listening();
  await eventually('it is ready', async () => (await fetch(`${url}/readyz`)).ok);
  return { plane, gate, url };
}

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly retryAfter: number;
  readonly ms: number;
  readonly body: Record<string, unknown>;
}

async function call(url: string, method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
  const begun = performance.now();
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const answered = (await response.json()) as Record<string, unknown>;
  return {
    status: response.status,
    code: String(answered['type']).split('/').at(-1),
    retryAfter: Number(response.headers.get('retry-after')),
    ms: performance.now() - begun,
    body: answered,
  };
}

const create = (url: string, name: string, organizationId: string) =>
  call(url, 'POST', '/admin/tenants', { name, organizationId, template: { name: 'plain' } }, { 'idempotency-key': `make-${name}` });

const stored = (name: string) => cluster.client.find<Tenant>(kinds.Tenant, name);

test.concurrent.each([
  ['kubernetes', 'kubernetes-unavailable'],
  ['postgres', 'store-unavailable'],
  ['workos', 'identity-provider-unavailable'],
] as const)(
  'answers changes with 503 while %s hangs or refuses, and recovers without a restart',
  {
    timeout: 240_000,
  },
  async (neighbour, code) => {
    const { plane, gate, url } = await startBehind(neighbour);
    const [before, meanwhile] = [`before-${neighbour}`, `meanwhile-${neighbour}`];
    const organizationId = workos.createOrganization({ name: `Of ${neighbour}` }).id;
    expect((await create(url, before, organizationId)).status).toBe(201);
    const at = (tenant: Tenant | undefined) => [
      tenant?.metadata.generation,
      tenant?.metadata.deletionTimestamp,
      tenant?.metadata.annotations,
    ];
    const untouched = at(await stored(before));

    gate.hang();
    let half = AbortSignal.timeout(halfMs);
    let isRefusing = false;
    // What is known of the administrator, and of the organization, has to run out first where WorkOS hangs.
    if (neighbour === 'workos')
      await eventually('no session can be checked', async () => (await call(url, 'GET', '/admin/tenants')).status === 503, 60_000);
    do {
      const changes = await Promise.all([
        create(url, meanwhile, organizationId),
        call(url, 'PATCH', `/admin/tenants/${before}`, { displayName: 'Changed' }),
        call(url, 'POST', `/admin/tenants/${before}/rotate`),
        call(url, 'DELETE', `/admin/tenants/${before}?data=delete`),
      ]);
      for (const { status, code: said, retryAfter, ms } of changes) {
        expect([status, said]).toEqual([503, code]);
        expect(retryAfter).toBeGreaterThan(0);
        expect(ms).toBeLessThan(answerMs);
      }
      const reads = await Promise.all(['/admin/tenants', `/admin/tenants/${before}`, '/admin/audit'].map((path) => call(url, 'GET', path)));
      for (const { status, code: said, ms } of reads) {
        if (status !== 200) expect([status, said]).toEqual([503, code]);
        expect(ms).toBeLessThan(answerMs);
      }
      expect((await call(url, 'GET', '/healthz')).status).toBe(200);
      if (half.aborted && !isRefusing) {
        gate.shut();
        half = AbortSignal.timeout(halfMs);
        isRefusing = true;
      }
      await delay(500);
    } while (!half.aborted);
    expect(await stored(meanwhile)).toBeUndefined();
    expect(at(await stored(before))).toEqual(untouched);

    gate.reopen();
    const made = await eventually(
      'the same request succeeds',
      async () => {
        const again = await create(url, meanwhile, organizationId);
        return again.status === 201 && again;
      },
      60_000,
    );
    // What had begun has ended in the audit too.
    await eventually('each intent has its outcome', async () => {
      const { items } = (await call(url, 'GET', '/admin/audit?action=tenants.create&limit=500')).body as {
        items: { outcome: string; tenant?: { name: string } }[];
      };
      const of = items.filter(({ tenant }) => tenant?.name === meanwhile);
      return of.length > 0 && of.filter(({ outcome }) => outcome === 'intended').length === of.length / 2;
    });
    expect(made.body['uid']).toBe((await stored(meanwhile))?.metadata.uid);
    expect((await call(url, 'PATCH', `/admin/tenants/${before}`, { displayName: 'Changed' })).status).toBe(200);
    expect((await call(url, 'DELETE', `/admin/tenants/${before}?data=delete`)).status).toBe(202);
    expect(plane.running).toBe(true);

    // Told to end while the neighbour hangs again, it does, within the grace period of its pod.
    gate.hang();
    expect(await plane.stop()).toBe(0);
    expectNoSecrets(plane.output, cluster, workos);
  },
);
