import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CryptoKey, generateKeyPair, importJWK, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tenant } from '../../../crds/tenant.ts';
import { kinds } from '../../../kube/resources.ts';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { eventually } from '../../eventually.ts';
import { baseUrl, type Cluster, createTenant, openWorkos, startCluster, startPlane } from './cluster.ts';

const ownUrl = 'http://localhost:9999';
let cluster: Cluster;
let workos: WorkosStandIn;
let plane: Awaited<ReturnType<typeof startPlane>>;
let acme: string;
let globex: string;
let one: string;
let many: string;
let none: string;

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  acme = workos.createOrganization({ name: 'Acme' }).id;
  globex = workos.createOrganization({ name: 'Globex' }).id;
  one = await user('one@example.com', [[acme, 'viewer']]);
  many = await user('many@example.com', [
    [acme, 'member'],
    [globex, 'tenant-admin'],
  ]);
  none = await user('none@example.com', []);
  plane = await startPlane(cluster, workos, { adminUrl: ownUrl });
  await createTenant(cluster, 'acme-main', acme, { displayName: 'Acme main' });
  await createTenant(cluster, 'globex-main', globex);
  await createTenant(cluster, 'keys-only');
  for (const name of ['acme-main', 'globex-main']) {
    await eventually(`${name} is registered`, async () => {
      const tenant = await cluster.client.find<Tenant>(kinds.Tenant, name);
      return tenant?.status?.authorization?.resources?.length === 1;
    });
  }
});

afterAll(async () => {
  await plane.stop();
  await workos.close();
  await cluster.stop();
});

async function user(email: string, memberships: readonly (readonly [string, string])[]): Promise<string> {
  const { id } = await workos.createUser({ email });
  for (const [organizationId, roleSlug] of memberships) workos.createMembership({ userId: id, organizationId, roleSlug });
  return id;
}

interface Claims {
  readonly sub: string;
  readonly aud: string | string[];
  readonly iss?: string;
  readonly exp?: number | string;
}

/** An access token as the AuthKit domain signs them; `key` to forge one. */
async function oauthToken({ sub, aud, iss = workos.issuer, exp = '5m' }: Claims, key?: CryptoKey): Promise<string> {
  const { oauthKey } = JSON.parse(await readFile(join(cluster.workosDir, 'environment.json'), 'utf8')) as { oauthKey: { jwk: JWK } };
  return new SignJWT({ aud })
    .setProtectedHeader({ alg: 'RS256', kid: oauthKey.jwk.kid ?? '' })
    .setIssuer(iss)
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(exp)
    .sign(key ?? (await importJWK(oauthKey.jwk, 'RS256')));
}

async function ask(token: string | undefined, url = plane.url) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(`${url}/v1/auth/tenant`, { headers });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

const acmeEntry = (role: string) => ({
  name: 'acme-main',
  displayName: 'Acme main',
  organizationId: acme,
  mcp: `${baseUrl}/t/acme-main/mcp`,
  role,
});
const globexEntry = (role: string) => ({
  name: 'globex-main',
  displayName: 'globex-main',
  organizationId: globex,
  mcp: `${baseUrl}/t/globex-main/mcp`,
  role,
});

describe('the tenant of a user', () => {
  test("is the only tenant of the user's organizations", async () => {
    const { status, body } = await ask(await oauthToken({ sub: one, aud: ownUrl }));
    expect(status).toBe(200);
    expect(body).toEqual({ tenant: acmeEntry('viewer') });
  });

  test('is a choice for a user of several organizations', async () => {
    const { body } = await ask(await oauthToken({ sub: many, aud: ownUrl }));
    expect(body).toEqual({ tenants: [acmeEntry('member'), globexEntry('tenant-admin')] });
  });

  test("is that of the session's organization", async () => {
    const token = await workos.adminToken({ userId: many, organizationId: globex, role: 'tenant-admin', permissions: [] });
    expect((await ask(token)).body).toEqual({ tenant: globexEntry('tenant-admin') });
  });

  test('is a choice in a session without an organization', async () => {
    const token = await workos.adminToken({ userId: many, permissions: [] });
    expect((await ask(token)).body).toEqual({ tenants: [acmeEntry('member'), globexEntry('tenant-admin')] });
  });

  test("is only the tenant of the token's audience", async () => {
    const { body } = await ask(await oauthToken({ sub: many, aud: `${baseUrl}/t/acme-main/mcp` }));
    expect(body).toEqual({ tenant: acmeEntry('member') });
  });

  test('is 404 or the default tenant for users without one', async () => {
    const token = await oauthToken({ sub: none, aud: ownUrl });
    expect(await ask(token)).toMatchObject({ status: 404, body: { type: 'https://tenantry.dev/problems/no-tenant' } });
    const stranger = await oauthToken({ sub: one, aud: `${baseUrl}/t/globex-main/mcp` });
    expect((await ask(stranger)).status).toBe(404);
    const other = await startPlane(cluster, workos, { adminUrl: ownUrl, defaultTenant: 'keys-only' });
    try {
      const { body } = await ask(token, other.url);
      expect(body).toEqual({ tenant: { name: 'keys-only', displayName: 'keys-only', mcp: `${baseUrl}/t/keys-only/mcp` } });
    } finally {
      await other.stop();
    }
  });

  test('is not found after the membership was deactivated', async () => {
    const id = await user('left@example.com', [[acme, 'member']]);
    const membership = workos.memberships({ userId: id, organizationId: acme })[0];
    workos.deactivate(membership?.id ?? '');
    expect((await ask(await oauthToken({ sub: id, aud: ownUrl }))).status).toBe(404);
  });
});

describe('refuses with 401 and a challenge', () => {
  test.each<[string, () => Promise<string | undefined>]>([
    ['no token', async () => undefined],
    ['text that is not a token', async () => 'something.else.entirely'],
    ['a token for another audience', () => oauthToken({ sub: one, aud: 'https://elsewhere.example/mcp' })],
    ['a token for an unregistered URL', () => oauthToken({ sub: one, aud: `${baseUrl}/t/keys-only/mcp` })],
    ['a token for a longer URL', () => oauthToken({ sub: one, aud: `${ownUrl}/` })],
    ['an expired token', () => oauthToken({ sub: one, aud: ownUrl, exp: Math.floor(Date.now() / 1000) - 60 })],
    ['a token of another issuer', () => oauthToken({ sub: one, aud: ownUrl, iss: 'https://evil.example' })],
    ["a token of the session's issuer by the OAuth key", () => oauthToken({ sub: one, aud: ownUrl, iss: workos.adminIssuer })],
    ['a forged token', async () => oauthToken({ sub: one, aud: ownUrl }, (await generateKeyPair('RS256')).privateKey)],
    [
      'a token without signature',
      async () => new UnsecuredJWT({ aud: ownUrl }).setIssuer(workos.issuer).setSubject(one).setExpirationTime('5m').encode(),
    ],
    [
      'a token signed with a secret',
      () =>
        new SignJWT({ aud: ownUrl })
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuer(workos.issuer)
          .setSubject(one)
          .setExpirationTime('5m')
          .sign(new TextEncoder().encode(JSON.stringify({ kty: 'RSA' }))),
    ],
  ])('%s', async (_name, mint) => {
    const { status, headers, body } = await ask(await mint());
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toMatch(/^Bearer realm=/);
    expect(body).toMatchObject({ type: 'https://tenantry.dev/problems/unauthenticated' });
  });
});

describe('limits requests to WorkOS', () => {
  const reads = () => workos.requests()['GET /user_management/organization_memberships'] ?? 0;

  test('to none while the mirror knows all organizations of the token', async () => {
    for (const [organizationId, role] of [
      [acme, 'member'],
      [globex, 'tenant-admin'],
    ] as const) {
      const token = await workos.adminToken({ userId: many, organizationId, role, permissions: [] });
      expect((await ask(token)).status).toBe(200);
    }
    const token = await oauthToken({ sub: many, aud: ownUrl });
    const before = reads();
    for (let i = 0; i < 5; i++) expect((await ask(token)).body).toEqual({ tenants: [acmeEntry('member'), globexEntry('tenant-admin')] });
    expect(reads()).toBe(before);
  });

  test('by a limit for each user and for each address with refused tokens', async () => {
    const limited = await startPlane(cluster, workos, { adminUrl: ownUrl, rateLimits: { perAdmin: 3, perAddress: 2 } });
    // All replicas count together: the control plane of the other tests has counted these callers.
    const database = new pg.Client({ connectionString: cluster.storeUrl });
    await database.connect();
    await database.query('DELETE FROM rate_limits').finally(() => database.end());
    try {
      const token = await oauthToken({ sub: many, aud: ownUrl });
      for (const left of ['2', '1', '0']) expect((await ask(token, limited.url)).headers.get('ratelimit-remaining')).toBe(left);
      const { status, headers, body } = await ask(token, limited.url);
      expect(status).toBe(429);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(body).toMatchObject({ type: 'https://tenantry.dev/problems/too-many-requests' });
      expect((await ask(await oauthToken({ sub: one, aud: ownUrl }), limited.url)).status).toBe(200);
      const foreign = await oauthToken({ sub: one, aud: 'https://elsewhere.example/mcp' });
      expect([(await ask(foreign, limited.url)).status, (await ask('nonsense', limited.url)).status]).toEqual([401, 401]);
      expect((await ask(foreign, limited.url)).status).toBe(429);
    } finally {
      await limited.stop();
    }
  });
});

test('the URL of the control plane is an OAuth resource', async () => {
  await eventually('it is registered', async () => workos.resources().includes(ownUrl));
});

test('while WorkOS is unavailable the answer is 503', async () => {
  await ask(await oauthToken({ sub: one, aud: ownUrl }));
  workos.outage('down', 60);
  try {
    // Created during the outage, so that no event brings the membership into the mirror before the request.
    const token = await oauthToken({ sub: await user('later@example.com', [[acme, 'member']]), aud: ownUrl });
    const { status, headers, body } = await ask(token);
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('5');
    expect(body).toMatchObject({ type: 'https://tenantry.dev/problems/identity-provider-unavailable' });
  } finally {
    workos.outage('down', 0);
  }
});
