import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namespaceOf, otherLogin } from '../../../crds/names.ts';
import type { Tenant } from '../../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import { callTool } from '../../../local/mcp-requests.ts';
import { connectWithToken } from '../../../local/sign-in.ts';
import { type Customer, manifest, mcpOf, newCustomer, statusWith, viaKubectl } from '../../customer.ts';
import { World } from '../../world.ts';

const world = new World();
let customer: Customer;
let requests = 0;

beforeAll(async () => {
  customer = await newCustomer(world, viaKubectl);
});

afterAll(() => world.remove(customer.name));

/** Asks for a rotation and waits until it is through. */
async function rotate(name: string): Promise<Tenant> {
  const request = new Date(Date.now() + 1000 * requests++).toISOString();
  await world.kube.patch(kinds.Tenant, name, { metadata: { annotations: { 'tenantry.dev/rotate': request } } });
  return world.until(name, (tenant) => tenant.status?.secrets?.rotationRequest === request);
}

/** Makes what is on record of the last rotation two hours older, so that a period or an overlap of at most that is over. */
async function ageRotation(name: string): Promise<void> {
  const namespace = namespaceOf(name);
  const annotation = 'tenantry.dev/rotation';
  const secret = await world.kube.get<KubeObject>(kinds.Secret, 'tenantry-credentials', { namespace });
  const older = (time: string): string => new Date(Date.parse(time) - 2 * 3_600_000).toISOString();
  const aged = JSON.parse(secret.metadata.annotations?.[annotation] ?? '{}', (key, value: string) =>
    key === 'last' || key === 'since' ? older(value) : value,
  ) as object;
  await world.kube.patch(
    kinds.Secret,
    'tenantry-credentials',
    { metadata: { annotations: { [annotation]: JSON.stringify(aged) } } },
    { namespace },
  );
}

const roleLogsIn = async (role: string): Promise<boolean | undefined> =>
  (await world.query<{ rolcanlogin: boolean }>('SELECT rolcanlogin FROM pg_roles WHERE rolname = $1', [role]))[0]?.rolcanlogin;

/** Repeats `act` until `signal` aborts; resolves with how often it succeeded, rejects with its first failure. */
async function repeat(act: () => Promise<void>, signal: AbortSignal): Promise<number> {
  for (let count = 0; ; count++) {
    if (signal.aborted) return count;
    await act();
  }
}

/** What customers do all the time, each as they do it: a tool that writes, a tool that reads the database, the REST API, new connections. */
function load({ tenant, apiKey, session }: Customer, signal: AbortSignal): Promise<number[]> {
  const url = mcpOf(tenant);
  const api = tenant.status?.endpoints?.api ?? '';
  const reading = async (): Promise<void> => {
    const client = await connectWithToken(url, apiKey);
    await callTool(client, 'list_notes', {});
    await client.close();
  };
  const writing = async (): Promise<void> => {
    await callTool(session.client, 'create_note', { title: 'under load' });
  };
  const resting = async (): Promise<void> => {
    const response = await fetch(`${api}/v1/notes`, { headers: { authorization: `Bearer ${apiKey}` } });
    if (!response.ok) throw new Error(`GET ${api}/v1/notes answered ${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
  };
  return Promise.all([reading, writing, resting, resting].map((act) => repeat(act, signal)));
}

describe('a rotation', () => {
  test('under load fails no request, replaces everything, and leaves what it replaced valid for the overlap', async () => {
    const { name, apiKey, tenant } = customer;
    const before = { ...(await world.secret(name, 'tenantry-database')), ...(await world.secret(name, 'tenantry-credentials')) };
    const stop = new AbortController();
    const loaded = load(customer, stop.signal);
    const rotated = await Promise.race([rotate(name), loaded.then(() => Promise.reject(new Error('the load ended early')))]);
    stop.abort();
    for (const count of await loaded) expect(count).toBeGreaterThan(5);

    const after = { ...(await world.secret(name, 'tenantry-database')), ...(await world.secret(name, 'tenantry-credentials')) };
    expect(after['username']).toBe(otherLogin(before['username'] ?? ''));
    for (const key of ['password', 'url', 'apiKey', 'probeKey']) expect(after[key], key).not.toBe(before[key]);
    expect(Object.keys(after).filter((key) => key.includes('next'))).toEqual([]);
    expect(rotated.status?.secrets?.lastRotation).toBeDefined();
    for (const key of [apiKey, after['apiKey']]) expect(await statusWith(mcpOf(tenant), key)).toBe(200);
    // The old login still lets in, for whoever has read the Secret.
    const old = new pg.Client({ connectionString: before['url'] });
    await old.connect();
    await old.end();
    const used = await world.query<{ usename: string }>('SELECT DISTINCT usename FROM pg_stat_activity WHERE usename = ANY($1)', [
      [before['username'], after['username']],
    ]);
    expect(used.map(({ usename }) => usename)).toEqual([after['username']]);
  });

  test('ends what was replaced once the overlap is over', async () => {
    const { name, apiKey, tenant } = customer;
    const { username = '', url } = await world.secret(name, 'tenantry-database');
    const replaced = otherLogin(username);
    expect(await roleLogsIn(replaced)).toBe(true);
    await ageRotation(name);
    await world.kube.patch(kinds.Tenant, name, { spec: { secrets: { overlap: '1h' } } });
    await world.eventually('the lock', 30_000, async () => ((await roleLogsIn(replaced)) === false ? true : undefined));
    await world.eventually('a refusal', 30_000, async () => ((await statusWith(mcpOf(tenant), apiKey)) === 401 ? true : undefined));
    await world.eventually('a file of two keys', 30_000, async () => {
      const keys = JSON.parse((await world.secret(name, 'tenantry-api-keys'))['keys.json'] ?? '[]') as unknown[];
      return keys.length === 2 ? true : undefined;
    });
    const present = new pg.Client({ connectionString: url });
    await present.connect();
    await present.end();
  });

  test('alternates back, keeps the data, and is carried out once for each request', async () => {
    const { name, tenant } = customer;
    const before = await world.secret(name, 'tenantry-database');
    const { status } = await rotate(name);
    const after = await world.secret(name, 'tenantry-database');
    expect(after['username']).toBe(otherLogin(before['username'] ?? ''));
    await world.kube.patch(kinds.Tenant, name, { metadata: { annotations: { 'example.com/touched': 'yes' } } });
    await world.until(name, (current) => current.metadata.annotations?.['example.com/touched'] === 'yes');
    const { apiKey = '' } = await world.secret(name, 'tenantry-credentials');
    const client = await connectWithToken(mcpOf(tenant), apiKey);
    expect(JSON.stringify(await callTool(client, 'list_notes', {}))).toContain('under load');
    await client.close();
    expect((await world.tenant(name)).status?.secrets?.lastRotation).toBe(status?.secrets?.lastRotation);
  });

  test('is told of in events and metrics, which say no secret', async () => {
    const { items } = await world.kube.list<KubeObject & { reason: string; message: string }>(kinds.Event, {
      namespace: 'default',
      fieldSelector: `involvedObject.name=${customer.name}`,
    });
    const reasons = items.map(({ reason }) => reason);
    expect(reasons).toEqual(expect.arrayContaining(['SecretsRotating', 'SecretsRotated', 'SecretsRetired']));
    const secrets = Object.values({
      ...(await world.secret(customer.name, 'tenantry-database')),
      ...(await world.secret(customer.name, 'tenantry-credentials')),
    });
    const metrics = await (await fetch(`${world.context.operatorUrl}/metrics`)).text();
    expect(metrics).toMatch(/^tenantry_secret_rotations_total\{cause="request"\} [1-9]/m);
    for (const value of secrets.filter((text) => text.length > 20)) expect(JSON.stringify(items) + metrics).not.toContain(value);
  });

  test('is on record, with why and without what', async () => {
    type Records = { items: { action: string; outcome: string; details: Record<string, unknown> }[] };
    const ofRotation = (kind: string) => async (): Promise<Records['items'] | undefined> => {
      const { adminUrl, adminToken } = world.context;
      const url = `${adminUrl}/admin/audit?tenant=${customer.name}&kind=${kind}`;
      const response = await fetch(url, { headers: { authorization: `Bearer ${adminToken}` } });
      const { items = [] } = (await response.json()) as Partial<Records>;
      return items.length >= 3 ? items : undefined;
    };
    const rotations = await world.eventually('records of rotations', 30_000, ofRotation('rotation'));
    const told = JSON.stringify(rotations);
    for (const word of ['request', 'expired-overlap', 'tenantry-database/password', 'tenantry-credentials/apiKey'])
      expect(told).toContain(word);
    const reads = await world.eventually('records of reads', 30_000, ofRotation('secret-read'));
    expect(JSON.stringify(reads)).toContain('tenantry-credentials');
    const { apiKey = '', probeKey = '' } = await world.secret(customer.name, 'tenantry-credentials');
    for (const value of [apiKey, probeKey]) expect(told + JSON.stringify(reads)).not.toContain(value);
  });

  test('comes by itself when the period is over', async () => {
    const { name } = customer;
    const before = await world.tenant(name);
    await ageRotation(name);
    await world.kube.patch(kinds.Tenant, name, { spec: { secrets: { rotationPeriod: '1h', overlap: '5m' } } });
    const after = await world.until(name, (tenant) => tenant.status?.secrets?.lastRotation !== before.status?.secrets?.lastRotation);
    expect(after.status?.secrets?.rotationRequest).toBe(before.status?.secrets?.rotationRequest);
    await world.kube.patch(kinds.Tenant, name, { spec: { secrets: { rotationPeriod: '0s' } } });
    await world.until(name, (tenant) => tenant.status?.secrets !== undefined && tenant.status.secrets.nextRotation === undefined);
  });
});

test('the secrets a template generates are replaced together with what the sidecar sends, and no request meets two of them', async () => {
  const name = world.name('static');
  const program = `
    const { createServer } = require('node:http');
    const document = { openapi: '3.1.0', info: { title: 'Clock', version: '1' }, paths: { '/time': { get: { operationId: 'time', responses: {} } } } };
    createServer((request, response) => {
      const open = request.url === '/readyz' || request.headers['x-token'] === process.env.TOKEN;
      response.writeHead(open ? 200 : 403, { 'content-type': 'application/json' });
      response.end(JSON.stringify(request.url === '/openapi.json' ? document : { token: process.env.TOKEN.length }));
    }).listen(Number(process.env.PORT), process.env.HOST);
    process.on('SIGTERM', () => setTimeout(() => process.exit(0), 500));`;
  const spec = {
    containers: [{ name: 'api', image: 'none', command: [process.execPath, '-e', program], env: [{ name: 'TOKEN', secret: 'token' }] }],
    secrets: [{ name: 'token' }],
    upstreamAuth: { mode: 'static', header: 'X-Token', secret: 'token' },
  };
  await world.kube.create(kinds.StackTemplate, { metadata: { name }, ...{ spec } });
  await world.kubectl(['apply', '-f', '-'], manifest(name, { template: { name }, secrets: { overlap: '24h' } }));
  const tenant = await world.ready(name);
  const { apiKey = '' } = await world.secret(name, 'tenantry-credentials');
  const before = await world.secret(name, 'tenantry-generated');
  const stop = new AbortController();
  const loaded = repeat(async () => {
    const client = await connectWithToken(mcpOf(tenant), apiKey);
    await callTool(client, 'time', {});
    await client.close();
  }, stop.signal);
  await Promise.race([rotate(name), loaded]);
  stop.abort();
  expect(await loaded).toBeGreaterThan(5);
  const during = await world.secret(name, 'tenantry-generated');
  expect(Object.keys(during)).toHaveLength(2);
  expect(Object.values(during)).toContain(before['token']);
  await ageRotation(name);
  await world.kube.patch(kinds.Tenant, name, { spec: { secrets: { overlap: '1h' } } });
  await world.eventually('the old value gone', 30_000, async () => {
    const values = Object.values(await world.secret(name, 'tenantry-generated'));
    return values.length === 1 && values[0] !== before['token'] ? true : undefined;
  });
  expect(await world.kube.get<KubeObject>(kinds.Namespace, namespaceOf(name))).toBeDefined();
  await world.remove(name);
  await world.kube.delete(kinds.StackTemplate, name);
});
