import { createHmac, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WorkOS } from '@workos-inc/node';
import { type CryptoKey, exportSPKI, generateKeyPair, importJWK, type JWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { eventually } from '../../eventually.ts';
import { type Cluster, createTenant, openWorkos, startCluster, startPlane } from './cluster.ts';

/** Nothing ends by itself while a test lasts: what changes, a webhook or NOTIFY has changed. */
const still = { pollMs: 3_600_000, timing: { answerMs: 600_000, evidenceMs: 3_600_000, noMs: 500, confirmMs: 600_000 } };
/** A tenth of the real times, as in memberships.test.ts. */
const quick = { pollMs: 300, timing: { answerMs: 1_000, evidenceMs: 2_000, noMs: 500, confirmMs: 200 } };

type Plane = Awaited<ReturnType<typeof startPlane>>;

let cluster: Cluster;
let workos: WorkosStandIn;
let platform: string;
let notified: Plane;
let beside: Plane;
let polling: Plane;
let secret: string;
let serial = 0;

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  platform = workos.createOrganization({ name: 'Platform', externalId: 'platform' }).id;
  const sdk = new WorkOS(workos.apiKey, { apiHostname: 'localhost', https: false, port: workos.port });
  // The endpoint's address is known once the control plane listens, its secret before.
  const endpoint = await sdk.webhooks.createWebhookEndpoint({
    endpointUrl: 'http://127.0.0.1:1/webhooks/workos',
    events: ['organization_membership.updated', 'organization_membership.deleted', 'user.deleted'],
  });
  secret = endpoint.secret;
  const settings = { platformOrganizationId: platform, workos: { ...workosSettings(), webhookSecret: secret } };
  notified = await startPlane(cluster, workos, settings, { memberships: still });
  beside = await startPlane(cluster, workos, { platformOrganizationId: platform }, { memberships: still });
  polling = await startPlane(cluster, workos, { platformOrganizationId: platform }, { memberships: quick });
  await sdk.webhooks.updateWebhookEndpoint({ id: endpoint.id, endpointUrl: `${notified.url}/webhooks/workos` });
});

afterAll(async () => {
  for (const plane of [notified, beside, polling]) await plane.stop();
  await workos.close();
  await cluster.stop();
});

function workosSettings() {
  const { apiUrl, apiKey, clientId } = workos;
  return { apiUrl, apiKey, clientId };
}

/** An administrator, and a token as a real sign-in would have given it. */
async function administrator(role = 'platform-admin', organizationId = platform, permissions = ['tenants:read', 'tenants:write']) {
  serial++;
  const user = await workos.createUser({ email: `admin-${serial}@example.com` });
  const membership = workos.createMembership({ userId: user.id, organizationId, roleSlug: role });
  const token = await workos.adminToken({ userId: user.id, organizationId, role, permissions });
  return { userId: user.id, membershipId: membership.id, token };
}

function get(plane: Plane, path: string, token: string): Promise<Response> {
  return fetch(`${plane.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
}

const status = async (plane: Plane, token: string): Promise<number> => (await get(plane, '/admin/tenants', token)).status;

describe('a webhook', () => {
  test.each<[string, (admin: Awaited<ReturnType<typeof administrator>>) => void]>([
    ['deactivated', ({ membershipId }) => workos.deactivate(membershipId)],
    ['removed', ({ membershipId }) => workos.deleteMembership(membershipId)],
    ['given another role', ({ membershipId }) => workos.setRole(membershipId, 'platform-viewer')],
    ['deleted as a user', ({ userId }) => workos.deleteUser(userId)],
  ])('of an administrator who is %s ends access at every replica', async (_name, leave) => {
    const admin = await administrator();
    for (const plane of [notified, beside]) expect(await status(plane, admin.token)).toBe(200);
    leave(admin);
    for (const plane of [notified, beside])
      await eventually('the administrator is out', async () => (await status(plane, admin.token)) === 401);
    const answer = await get(notified, '/admin/tenants', admin.token);
    expect(await answer.json()).toMatchObject({ remedy: expect.stringMatching(/^Sign in again/) });
  });

  test('has no effect when it is repeated', async () => {
    const admin = await administrator();
    expect(await status(notified, admin.token)).toBe(200);
    const sent = signed(membershipEvent(admin, 'inactive'));
    expect(await post(sent)).toMatchObject({ status: 200, body: { outcome: 'applied' } });
    expect(await post(sent)).toMatchObject({ status: 200, body: { outcome: 'known' } });
    expect(await post(signed(sent.payload))).toMatchObject({ status: 200, body: { outcome: 'known' } });
  });

  test('of an unused kind is accepted', async () => {
    expect((await post(signed({ id: `event_${randomUUID()}`, event: 'dsync.whatever', data: {}, created_at: now() }))).status).toBe(200);
  });
});

describe('a webhook is refused', () => {
  let admin: Awaited<ReturnType<typeof administrator>>;

  beforeAll(async () => {
    admin = await administrator();
    expect(await status(notified, admin.token)).toBe(200);
  });

  test.each<[string, () => Sent]>([
    ['without a signature', () => ({ ...signed(membershipEvent(admin, 'inactive')), signature: undefined })],
    ['with an empty signature', () => ({ ...signed(membershipEvent(admin, 'inactive')), signature: '' })],
    ['with a malformed signature', () => ({ ...signed(membershipEvent(admin, 'inactive')), signature: 'x' })],
    ['without a time', () => ({ ...signed(membershipEvent(admin, 'inactive')), signature: 'v1=00' })],
    ['signed with another secret', () => signed(membershipEvent(admin, 'inactive'), { key: 'another' })],
    ['signed with nothing', () => signed(membershipEvent(admin, 'inactive'), { key: '' })],
    ['that is older than its tolerance', () => signed(membershipEvent(admin, 'inactive'), { time: Date.now() - 200_000 })],
    ['whose time is in the future', () => signed(membershipEvent(admin, 'inactive'), { time: Date.now() + 60_000 })],
    ['whose time is not a number', () => signed(membershipEvent(admin, 'inactive'), { time: 'now' })],
    ['whose time is empty', () => signed(membershipEvent(admin, 'inactive'), { time: '' })],
    ['whose time only begins with a number', () => signed(membershipEvent(admin, 'inactive'), { time: `${Date.now()}x` })],
    ['whose time was changed', () => ({ ...later(signed(membershipEvent(admin, 'inactive'), { time: Date.now() - 200_000 })) })],
    ['whose body was changed', () => ({ ...signed(membershipEvent(admin, 'active')), payload: membershipEvent(admin, 'inactive') })],
    ['that is signed but not an event', () => signed([1, 2, 3])],
    ['that is signed but has an unknown form', () => signed({ ...membershipEvent(admin, 'inactive'), data: { id: 1 } })],
  ])('%s, with 400 and without effect', async (_name, make) => {
    const { status: answered, body } = await post(make());
    expect(answered).toBe(400);
    expect(body).toMatchObject({ type: 'https://tenantry.dev/problems/webhook-refused' });
    expect(await status(notified, admin.token)).toBe(200);
  });

  test('that is not JSON', async () => {
    const { signature } = signed({});
    const answer = await fetch(`${notified.url}/webhooks/workos`, {
      method: 'POST',
      headers: { 'workos-signature': signature ?? '', 'content-type': 'text/plain' },
      body: 'not JSON',
    });
    expect(answer.status).toBe(400);
  });

  test('that is too large', async () => {
    expect((await post(signed({ filler: 'x'.repeat(300_000) }))).status).toBe(413);
  });

  test('without a configured secret, with 404', async () => {
    expect((await post(signed(membershipEvent(admin, 'inactive'), { key: '' }), beside)).status).toBe(404);
  });
});

describe('without webhooks', () => {
  test('a removed administrator loses access by the Events API', async () => {
    const admin = await administrator();
    expect(await status(polling, admin.token)).toBe(200);
    workos.deactivate(admin.membershipId);
    await eventually('the administrator is out', async () => (await status(polling, admin.token)) === 401);
  });

  test('a known administrator keeps access for a time while WorkOS is unavailable', async () => {
    const admin = await administrator();
    expect(await status(polling, admin.token)).toBe(200);
    workos.outage('down', 60);
    try {
      expect(await status(polling, admin.token)).toBe(200);
      await eventually('a failed lookup', async () => (await status(polling, admin.token)) === 503);
      const answer = await get(polling, '/admin/tenants', admin.token);
      expect(answer.headers.get('retry-after')).toBe('5');
      expect(await answer.json()).toMatchObject({ type: 'https://tenantry.dev/problems/identity-provider-unavailable' });
    } finally {
      workos.outage('down', 0);
    }
    await eventually('it heals', async () => (await status(polling, admin.token)) === 200);
  });
});

test('foreign and missing tenants get the same answer', async () => {
  const [own, other] = ['Own', 'Other'].map((name) => workos.createOrganization({ name }).id);
  await createTenant(cluster, 'own', own);
  await createTenant(cluster, 'other', other);
  const admin = await administrator('tenant-admin', own, ['tenants:read', 'tenants:write', 'tenants:rotate', 'audit:read']);
  await eventually('the tenants are known', async () => (await get(polling, '/admin/tenants/own', admin.token)).status === 200);
  const [foreign, nothing] = await Promise.all(['other', 'nothing'].map((name) => get(polling, `/admin/tenants/${name}`, admin.token)));
  expect([foreign?.status, nothing?.status]).toEqual([404, 404]);
  const said = async (answer: Response | undefined) => ({ ...((await answer?.json()) as object), requestId: '' });
  expect(JSON.stringify(await said(foreign)).replaceAll('named other', 'named nothing')).toBe(JSON.stringify(await said(nothing)));
  const { items } = (await (await get(polling, '/admin/tenants', admin.token)).json()) as { items: { name: string }[] };
  expect(items.map(({ name }) => name)).toEqual(['own']);
});

describe('a token of an active administrator is refused', () => {
  let admin: Awaited<ReturnType<typeof administrator>>;
  let sessionKey: JWK;
  let oauthKey: JWK;

  beforeAll(async () => {
    admin = await administrator();
    expect(await status(polling, admin.token)).toBe(200);
    const kept = JSON.parse(await readFile(join(cluster.workosDir, 'environment.json'), 'utf8')) as Record<string, { jwk: JWK }>;
    sessionKey = kept['sessionKey']?.jwk ?? {};
    oauthKey = kept['oauthKey']?.jwk ?? {};
  });

  interface Change {
    readonly claims?: JWTPayload;
    readonly header?: { alg: string; kid?: string } & Record<string, unknown>;
    readonly key?: CryptoKey | Uint8Array;
    readonly expires?: number | string;
  }

  async function mint({ claims = {}, header, key, expires = '5m' }: Change = {}): Promise<string> {
    const all = { org_id: platform, role: 'platform-admin', roles: ['platform-admin'], permissions: ['tenants:read'], ...claims };
    return new SignJWT(all)
      .setProtectedHeader(header ?? { alg: 'RS256', kid: sessionKey.kid ?? '' })
      .setIssuer(claims.iss ?? workos.adminIssuer)
      .setSubject(admin.userId)
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(key ?? (await importJWK(sessionKey, 'RS256')));
  }

  test('unless it is unchanged', async () => {
    expect(await status(polling, await mint())).toBe(200);
  });

  test.each<[string, () => Promise<string>]>([
    ['that has expired', () => mint({ expires: Math.floor(Date.now() / 1000) - 60 })],
    ['of another issuer', () => mint({ claims: { iss: 'https://api.workos.example' } })],
    ['signed by a foreign key', async () => mint({ key: (await generateKeyPair('RS256')).privateKey })],
    ['signed by the OAuth key', async () => mint({ key: (await importJWK(oauthKey, 'RS256')) as CryptoKey })],
    ['signed by the OAuth key under its own name', oauthSigned],
    ['signed with the public key as a secret', confused],
    ['without a signature', async () => unsigned()],
    ['whose organization was changed', async () => tampered({ org_id: 'org_01OTHER' })],
    ['whose permissions were changed', async () => tampered({ permissions: ['tenants:delete'] })],
    ['for an organization without the user', async () => mint({ claims: { org_id: workos.createOrganization({ name: 'X' }).id } })],
    ['with a role that the user does not have', () => mint({ claims: { role: 'platform-viewer', roles: ['platform-viewer'] } })],
    ['without an organization', () => mint({ claims: { org_id: undefined } })],
  ])('%s', async (_name, make) => {
    const answer = await get(polling, '/admin/tenants', await make());
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="tenantry-admin", error="invalid_token"/);
  });

  async function oauthSigned(): Promise<string> {
    return mint({ header: { alg: 'RS256', kid: oauthKey.kid ?? '' }, key: (await importJWK(oauthKey, 'RS256')) as CryptoKey });
  }

  async function confused(): Promise<string> {
    const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicPart } = sessionKey;
    const pem = await exportSPKI((await importJWK({ ...publicPart, key_ops: ['verify'] }, 'RS256', { extractable: true })) as CryptoKey);
    return mint({ header: { alg: 'HS256', kid: sessionKey.kid ?? '' }, key: new TextEncoder().encode(pem) });
  }

  function unsigned(): string {
    return new UnsecuredJWT({ org_id: platform, role: 'platform-admin', permissions: ['tenants:read'] })
      .setIssuer(workos.adminIssuer)
      .setSubject(admin.userId)
      .setExpirationTime('5m')
      .encode();
  }

  function tampered(claims: JWTPayload): string {
    const [header, body, signature] = admin.token.split('.');
    const changed = { ...(JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) as JWTPayload), ...claims };
    return [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
  }
});

interface Sent {
  readonly payload: unknown;
  readonly signature: string | undefined;
}

/** Signed as WorkOS does: https://workos.com/docs/events/data-syncing/webhooks */
function signed(payload: unknown, { time = Date.now(), key = secret }: { time?: number | string; key?: string } = {}): Sent {
  const hash = createHmac('sha256', key)
    .update(`${time}.${JSON.stringify(payload)}`)
    .digest('hex');
  return { payload, signature: `t=${time}, v1=${hash}` };
}

function later({ payload, signature }: Sent): Sent {
  return { payload, signature: signature?.replace(/^t=\d+/, `t=${Date.now()}`) };
}

function membershipEvent({ userId, membershipId }: { userId: string; membershipId: string }, state: 'active' | 'inactive') {
  const membership = workos.memberships({ userId, organizationId: platform }).find(({ id }) => id === membershipId);
  return {
    id: `event_${randomUUID()}`,
    event: 'organization_membership.updated',
    data: { ...membership, status: state, updated_at: now() },
    created_at: now(),
  };
}

function now(): string {
  return new Date().toISOString();
}

async function post({ payload, signature }: Sent, plane: Plane = notified): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${plane.url}/webhooks/workos`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(signature === undefined ? {} : { 'workos-signature': signature }) },
    body: JSON.stringify(payload),
  });
  return { status: answer.status, body: await answer.json() };
}
