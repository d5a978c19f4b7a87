import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureAuditKey } from '../../local/audit-key.ts';
import { type Postgres, startPostgres } from '../../local/postgres.ts';
import { ensureStoreDatabase } from '../../local/store-database.ts';
import { startWorkos, type WorkosStandIn } from '../../local/workos/start.ts';
import { eventually } from './control-plane-cluster.ts';

const main = new URL('../../control-plane/main.ts', import.meta.url).pathname;
let dir: string;
let workos: WorkosStandIn;
let token: string;
let nobody: number;
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
  nobody = await freePort();
  // A cluster nobody serves.
  const kubeconfig = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    clusters: [{ name: 'x', cluster: { server: `https://127.0.0.1:${nobody}` } }],
    users: [{ name: 'x', user: {} }],
  };
  await writeFile(join(dir, 'kubeconfig'), JSON.stringify(kubeconfig));
});

afterAll(async () => {
  await workos.close();
  await postgres.stop();
  await rm(dir, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The control plane as its image runs it. */
async function run(change: Record<string, string | undefined> = {}) {
  const port = await freePort();
  const env = {
    PATH: process.env['PATH'],
    PORT: String(port),
    KUBECONFIG: join(dir, 'kubeconfig'),
    WORKOS_API_KEY: workos.apiKey,
    WORKOS_CLIENT_ID: workos.clientId,
    WORKOS_API_URL: workos.apiUrl,
    TENANTRY_ADMIN_ISSUER: workos.adminIssuer,
    TENANTRY_OAUTH_ISSUER: workos.issuer,
    TENANTRY_PLATFORM_ORGANIZATION_ID: workos.findOrganization('platform')?.id,
    TENANTRY_STORE_URL: storeUrl,
    TENANTRY_AUDIT_KEY_FILE: join(dir, 'audit-key.pem'),
    TENANTRY_BASE_URL: 'http://localhost:9',
    ...change,
  };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output.text += String(chunk);
    });
  }
  return { child, output, url: `http://127.0.0.1:${env.PORT}` };
}

async function ended(child: ChildProcess): Promise<number | null> {
  return child.exitCode ?? ((await once(child, 'exit', { signal: AbortSignal.timeout(15_000) }))[0] as number | null);
}

const alive = (url: string) => eventually('it serves', async () => (await fetch(`${url}/healthz`)).ok);

describe('while Kubernetes cannot be reached', () => {
  test('it lives, is not ready, answers 503 with Retry-After, and ends cleanly', async () => {
    const { child, output, url } = await run();
    try {
      await alive(url);
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
      child.kill('SIGTERM');
    }
    expect(await ended(child)).toBe(0);
    expect(output.text).toContain('control plane stopped');
    expect(output.text).not.toContain(workos.apiKey);
    expect(output.text).not.toContain(token);
  });
});

describe('while WorkOS cannot be reached', () => {
  test('nobody can be told from anybody: 503, not 401', async () => {
    const { child, url } = await run({ WORKOS_API_URL: `http://127.0.0.1:${nobody}` });
    try {
      await alive(url);
      const answer = await fetch(`${url}/admin/tenants`, { headers: { authorization: `Bearer ${token}` } });
      expect(await answer.json()).toMatchObject({ type: 'https://tenantry.dev/problems/identity-provider-unavailable', status: 503 });
      expect(answer.headers.get('retry-after')).toBe('5');
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended(child)).toBe(0);
  });
});

describe('a configuration that cannot work', () => {
  test('names every fault and exits 2', async () => {
    const { child, output } = await run({ WORKOS_API_KEY: undefined, TENANTRY_OAUTH_ISSUER: 'nonsense' });
    expect(await ended(child)).toBe(2);
    expect(output.text).toBe(
      'The control plane cannot start. Correct these environment variables:\n  WORKOS_API_KEY is not set\n  TENANTRY_OAUTH_ISSUER must be an http or https URL\n',
    );
  });

  test('a taken port is named', async () => {
    const { child, output } = await run({ PORT: String(workos.port) });
    expect(await ended(child)).toBe(1);
    expect(output.text).toContain(`port ${workos.port} is taken`);
  });
});
