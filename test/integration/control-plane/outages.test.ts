import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureAuditKey } from '../../../local/audit-key.ts';
import { type Postgres, startPostgres } from '../../../local/postgres/start.ts';
import { ensureStoreDatabase } from '../../../local/postgres/store-database.ts';
import { startWorkos, type WorkosStandIn } from '../../../local/workos/start.ts';
import { eventually } from '../../eventually.ts';
import { expectNoSecrets } from './cluster.ts';
import { environmentOf, PlaneProcess } from './process.ts';

/** Nothing listens on this address. */
const nobody = '127.0.0.2:20001';
let dir: string;
let workos: WorkosStandIn;
let token: string;
let postgres: Postgres;
let storeUrl: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenantry-outages-'));
  await chmod(dir, 0o711);
  postgres = await startPostgres({ dir: join(dir, 'postgres'), fsync: false, log: pino({ level: 'silent' }) });
  storeUrl = await ensureStoreDatabase(postgres.url, join(dir, 'store-password'));
  ensureAuditKey(join(dir, 'audit-key.pem'));
  workos = await startWorkos({ port: 0, dir: join(dir, 'workos') });
  const organization = workos.createOrganization({ name: 'Platform', externalId: 'platform' });
  const user = await workos.createUser({ email: 'admin@example.com' });
  workos.createMembership({ userId: user.id, organizationId: organization.id, roleSlug: 'platform-admin' });
  token = await workos.adminToken({
    userId: user.id,
    organizationId: organization.id,
    role: 'platform-admin',
    permissions: ['tenants:read', 'tenants:write', 'tenants:delete'],
  });
  // A cluster nobody serves.
  const kubeconfig = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    clusters: [{ name: 'x', cluster: { server: `https://${nobody}` } }],
    users: [{ name: 'x', user: {} }],
  };
  await writeFile(join(dir, 'kubeconfig'), JSON.stringify(kubeconfig));
});

afterAll(async () => {
  await workos.close();
  await postgres.stop();
  await rm(dir, { recursive: true });
});

/** The control plane as its image runs it. */
function run(change: Record<string, string | undefined> = {}): PlaneProcess {
  const cluster = { kubeconfig: join(dir, 'kubeconfig'), storeUrl, auditKeyFile: join(dir, 'audit-key.pem') };
  return new PlaneProcess({ ...environmentOf(cluster, workos, workos.findOrganization('platform')?.id ?? ''), ...change });
}

describe('the control plane without Kubernetes', () => {
  test('is alive but not ready, answers 503 and stops cleanly', async () => {
    const plane = run();
    try {
      const url = await plane.listening();
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      expect((await fetch(`${url}/readyz`)).status).toBe(503);
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      await eventually('its tables are there', async () => {
        const { type } = (await (await fetch(`${url}/admin/tenants`, { headers })).json()) as { type: string };
        return !type.endsWith('store-unavailable');
      });
      const body = JSON.stringify({ name: 'acme', template: { name: 'toolbridge' } });
      for (const request of [
        fetch(`${url}/admin/tenants`, { headers }),
        fetch(`${url}/admin/tenants/acme`, { headers }),
        fetch(`${url}/admin/tenants`, { headers, method: 'POST', body }),
        fetch(`${url}/admin/tenants/acme?data=retain`, { headers, method: 'DELETE' }),
        fetch(`${url}/pods/v1/jwks`, { headers }),
      ]) {
        const answer = await request;
        expect(await answer.json()).toMatchObject({ type: 'https://tenantry.dev/problems/kubernetes-unavailable', status: 503 });
        expect(answer.headers.get('retry-after')).toBe('5');
      }
    } finally {
      plane.child.kill('SIGTERM');
    }
    expect(await plane.ended()).toBe(0);
    expect(plane.output).toContain('control plane stopped');
    expectNoSecrets(plane.output, { storeUrl, postgres }, workos);
  });
});

describe('the control plane before its migrations', () => {
  /** The lock that Kysely's migrations take. */
  const migrationLock = '3853314791062309107';

  test('reads no events of WorkOS and logs no warning', async () => {
    const fresh = new URL(postgres.url);
    const administrator = new pg.Client({ connectionString: postgres.url });
    await administrator.connect();
    await administrator.query('CREATE DATABASE fresh');
    await administrator.end();
    fresh.pathname = '/fresh';
    const holder = new pg.Client({ connectionString: fresh.href });
    await holder.connect();
    await holder.query(`SELECT pg_advisory_lock(${migrationLock})`);
    const before = workos.requests()['GET /events'] ?? 0;
    const plane = run({ TENANTRY_STORE_URL: fresh.href });
    await plane.listening();
    await eventually('the migration waits', async () => {
      const { rows } = await holder.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
      return rows.length > 0;
    });
    await holder.end();
    await eventually('events are read', async () => (workos.requests()['GET /events'] ?? 0) > before);
    plane.child.kill('SIGTERM');
    expect(await plane.ended()).toBe(0);
    expect(plane.output).not.toContain('does not exist');
    expect(plane.output).not.toContain('events of WorkOS not read');
  });
});

describe('the control plane without WorkOS', () => {
  test('answers 503 instead of 401', async () => {
    const plane = run({ WORKOS_API_URL: `http://${nobody}` });
    try {
      const url = await plane.listening();
      const answer = await fetch(`${url}/admin/tenants`, { headers: { authorization: `Bearer ${token}` } });
      expect(await answer.json()).toMatchObject({ type: 'https://tenantry.dev/problems/identity-provider-unavailable', status: 503 });
      expect(answer.headers.get('retry-after')).toBe('5');
    } finally {
      plane.child.kill('SIGTERM');
    }
    expect(await plane.ended()).toBe(0);
  });
});

describe('an invalid configuration', () => {
  test('names every fault and exits 2', async () => {
    const plane = run({ WORKOS_API_KEY: undefined, TENANTRY_OAUTH_ISSUER: 'nonsense' });
    expect(await plane.ended()).toBe(2);
    expect(plane.output).toBe(
      'The control plane cannot start. Correct these environment variables:\n  WORKOS_API_KEY is not set\n  TENANTRY_OAUTH_ISSUER must be an http or https URL\n',
    );
  });

  test('names a port that is in use', async () => {
    const plane = run({ PORT: String(workos.port) });
    expect(await plane.ended()).toBe(1);
    expect(plane.output).toContain(`port ${workos.port} is taken`);
  });
});
