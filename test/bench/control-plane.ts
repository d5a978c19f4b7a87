/**
 * `npm run bench:control-plane`: what the Admin API does beside thousands of tenants for many administrators at once, each figure beside that of
 * the Kubernetes API server itself, which it stands on, asked for the same by as many in the same run.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { Pool } from 'undici';
import type { Tenant } from '../../crds/tenant.ts';
import { kinds } from '../../kube/resources.ts';
import { freePort } from '../../local/machine/ports.ts';
import { eventually } from '../eventually.ts';
import { type Cluster, openWorkos, startCluster } from '../integration/control-plane/cluster.ts';

const tenants = Number(process.env['TENANTS'] ?? 5_000);
const admins = Number(process.env['ADMINS'] ?? 200);
const seconds = Number(process.env['SECONDS'] ?? 10);
const pageSize = 100;
/** At most so many tenants are created by each of the two creations. */
const creations = 3_000;

const say = (line: string): void => console.log(line);
const name = (index: number): string => `bench-${String(index).padStart(5, '0')}`;
const spec = { template: { name: 'plain' } };

interface Figures {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly errors: number;
}

type Ask = (caller: number, turn: number) => Promise<boolean>;

/** As many callers as there are administrators, each asking anew as soon as it is answered, for a while or until there is nothing left to ask. */
async function load(ask: Ask, limit = Number.POSITIVE_INFINITY): Promise<Figures> {
  const times: number[] = [];
  let errors = 0;
  let turn = 0;
  const began = performance.now();
  const end = began + seconds * 1000;
  await Promise.all(
    Array.from({ length: admins }, async (_, caller) => {
      while (performance.now() < end && turn < limit) {
        const asked = performance.now();
        if (!(await ask(caller, turn++))) errors++;
        times.push(performance.now() - asked);
      }
    }),
  );
  const took = (performance.now() - began) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  return { perSecond: times.length / took, p50: at(0.5), p95: at(0.95), errors };
}

/** Resident memory of a process and its peak, in megabytes. */
function memoryOf(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1000;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

async function inTurns<T>(items: readonly T[], at: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: at }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}

async function bench(cluster: Cluster): Promise<void> {
  const workos = await openWorkos(cluster);
  const platform = workos.createOrganization({ name: 'Platform', externalId: 'platform' });
  const permissions = ['tenants:read', 'tenants:write', 'tenants:delete', 'tenants:rotate', 'audit:read', 'templates:write'];
  const tokens: string[] = [];
  for (let index = 0; index < admins; index++) {
    const user = await workos.createUser({ email: `admin-${index}@example.com` });
    workos.createMembership({ userId: user.id, organizationId: platform.id, roleSlug: 'platform-admin' });
    tokens.push(await workos.adminToken({ userId: user.id, organizationId: platform.id, role: 'platform-admin', permissions }));
  }
  await inTurns([...Array(tenants).keys()], 50, (index) =>
    cluster.client.create(kinds.Tenant, { metadata: { name: name(index) }, ...{ spec } }),
  );
  say(`${tenants} tenants, ${admins} administrators, ${seconds} s each`);

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const plane = spawn(process.execPath, ['control-plane/main.ts'], {
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      // As the chart has it.
      NODE_OPTIONS: '--max-old-space-size=256 --max-semi-space-size=4',
      LOG_LEVEL: 'error',
      PORT: String(port),
      KUBECONFIG: cluster.kubeconfig,
      WORKOS_API_KEY: workos.apiKey,
      WORKOS_CLIENT_ID: workos.clientId,
      WORKOS_API_URL: workos.apiUrl,
      TENANTRY_ADMIN_ISSUER: workos.adminIssuer,
      TENANTRY_OAUTH_ISSUER: workos.issuer,
      TENANTRY_PLATFORM_ORGANIZATION_ID: platform.id,
      TENANTRY_STORE_URL: cluster.storeUrl,
      TENANTRY_AUDIT_KEY_FILE: cluster.auditKeyFile,
      TENANTRY_BASE_URL: 'http://localhost:9',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = new Promise((resolve) => plane.once('exit', resolve));
  const pool = new Pool(url, { connections: admins, pipelining: 1 });
  try {
    await eventually('the control plane is ready', async () => (await fetch(`${url}/readyz`)).ok, 60_000);
    const ask =
      (method: 'GET' | 'POST', path: (turn: number) => string, body?: (turn: number) => object): Ask =>
      async (caller, turn) => {
        const answer = await pool.request({
          method,
          path: path(turn),
          headers: { authorization: `Bearer ${tokens[caller]}`, ...(body ? { 'content-type': 'application/json' } : {}) },
          ...(body ? { body: JSON.stringify(body(turn)) } : {}),
        });
        const text = await answer.body.text();
        if (answer.statusCode >= 300) console.error(`${method} ${path(turn)} answered ${answer.statusCode}: ${text.slice(0, 300)}`);
        return answer.statusCode < 300;
      };
    const kube =
      (request: (turn: number) => Promise<unknown>): Ask =>
      async (_caller, turn) =>
        request(turn).then(
          () => true,
          () => false,
        );
    const some = (turn: number): string => name((turn * 7919) % tenants);

    const get = ask('GET', (turn) => `/admin/tenants/${some(turn)}`);
    // Everybody is known, and every connection open, before anything is counted.
    await Promise.all(tokens.map((_token, caller) => get(caller, caller)));
    const idle = memoryOf(plane.pid ?? 0);

    const rows: [string, Figures, Figures][] = [
      ['get one tenant', await load(get), await load(kube((turn) => cluster.client.get<Tenant>(kinds.Tenant, some(turn))))],
      [
        `list ${pageSize} of ${tenants}`,
        await load(ask('GET', () => `/admin/tenants?limit=${pageSize}`)),
        await load(kube(() => cluster.client.list<Tenant>(kinds.Tenant, { limit: pageSize }))),
      ],
      [
        'create a tenant',
        await load(
          ask(
            'POST',
            () => '/admin/tenants',
            (turn) => ({ name: `by-api-${turn}`, ...spec }),
          ),
          creations,
        ),
        await load(
          kube((turn) => cluster.client.create(kinds.Tenant, { metadata: { name: `by-kube-${turn}` }, ...{ spec } })),
          creations,
        ),
      ],
    ];
    const loaded = memoryOf(plane.pid ?? 0);

    say(
      `\n| ${admins} at once | requests a second | p50 | p95 | errors | Kubernetes API alone: a second | p95 | errors | ratio |\n|---|---|---|---|---|---|---|---|---|`,
    );
    for (const [what, ours, theirs] of rows) {
      const ratio = (ours.perSecond / theirs.perSecond).toFixed(2);
      say(
        `| ${what} | ${ours.perSecond.toFixed(0)} | ${ours.p50.toFixed(0)} ms | ${ours.p95.toFixed(0)} ms | ${ours.errors} | ${theirs.perSecond.toFixed(0)} | ${theirs.p95.toFixed(0)} ms | ${theirs.errors} | ${ratio} |`,
      );
    }
    say(
      `\nMemory of the control plane: ${idle.now.toFixed(0)} MB with ${tenants} tenants at rest, ${loaded.now.toFixed(0)} MB after, ${loaded.peak.toFixed(0)} MB at its peak.`,
    );
    if (rows.some(([, { errors }]) => errors > 0)) process.exitCode = 1;
  } finally {
    await pool.close();
    plane.kill('SIGTERM');
    await ended;
    await workos.close();
  }
}

say(`Machine: ${cpus().length} CPUs (${cpus()[0]?.model}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}`);
const cluster = await startCluster({ kubernetes: 'own', postgres: 'own' });
try {
  await bench(cluster);
} finally {
  await cluster.stop();
}
