import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, createLocalJWKSet, exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Admin, Admins, canSee, requirePermission, requirePlatform } from '../../../../control-plane/identity/admins.ts';
import type { Membership } from '../../../../control-plane/identity/provider.ts';
import { ProviderUnavailable } from '../../../../control-plane/identity/provider.ts';
import { SessionTokens } from '../../../../control-plane/identity/session-tokens.ts';
import { Problem } from '../../../../problems/problem.ts';
import { tenant } from '../../gen.ts';

const issuer = 'https://api.workos.com';
const { publicKey, privateKey } = await generateKeyPair('RS256');
const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] });
const tokens = new SessionTokens({ keysUrl: new URL('http://localhost:1/'), issuer, keys });
const active: Membership = { member: true, role: 'tenant-admin', roles: ['tenant-admin'] };

function admins(membership: () => Promise<Membership> = async () => active): Admins {
  return new Admins({ tokens, memberships: { lookup: membership, confirm: membership }, platformOrganizationId: 'org_platform' });
}

function sign(claims: JWTPayload = {}, options: { key?: CryptoKey; expires?: string | number; iss?: string } = {}) {
  return new SignJWT({ org_id: 'org_1', role: 'tenant-admin', permissions: ['tenants:read'], ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
    .setIssuer(options.iss ?? issuer)
    .setSubject('user_1')
    .setIssuedAt()
    .setExpirationTime(options.expires ?? '5m')
    .sign(options.key ?? privateKey);
}

async function signedIn(claims: JWTPayload = {}): Promise<Admin> {
  return admins().authenticate(`Bearer ${await sign(claims)}`);
}

async function refusal(asked: Promise<unknown>): Promise<Problem> {
  const error = await asked.then(
    () => expect.unreachable('the token was accepted'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Problem);
  return error as Problem;
}

test('a valid token of an active member returns user and permissions', async () => {
  expect(await signedIn()).toEqual({
    userId: 'user_1',
    organizationId: 'org_1',
    role: 'tenant-admin',
    permissions: new Set(['tenants:read']),
    platform: false,
  });
  expect((await signedIn({ org_id: 'org_platform' })).platform).toBe(true);
});

test('an impersonated session returns the impersonator', async () => {
  expect(await signedIn({ act: { sub: 'support@workos.example' } })).toMatchObject({
    userId: 'user_1',
    impersonator: 'support@workos.example',
  });
  expect(await signedIn()).not.toHaveProperty('impersonator');
});

describe('refuses with 401 and a challenge', () => {
  test.each([[undefined], ['Basic YTpi'], ['Bearer'], ['Bearer a b']])('the header %j', async (header) => {
    const problem = await refusal(admins().authenticate(header));
    expect(problem).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer realm="tenantry-admin"' } });
  });

  test.each([
    ['expired', async () => sign({}, { expires: Math.floor(Date.now() / 1000) - 60 }), 'expired'],
    ['expired a second ago', async () => sign({}, { expires: Math.floor(Date.now() / 1000) - 1 }), 'expired'],
    ['that is not valid yet', async () => sign({ nbf: Math.floor(Date.now() / 1000) + 60 }), 'claim'],
    ['forged', async () => sign({}, { key: (await generateKeyPair('RS256')).privateKey }), 'signature'],
    ['of another issuer', async () => sign({}, { iss: 'https://evil.example' }), 'claim'],
    ['of an issuer with the same beginning', async () => sign({}, { iss: `${issuer}.evil.example` }), 'claim'],
    ['without expiry', withoutExpiry, 'claim'],
    ['without an organization', async () => sign({ org_id: undefined }), 'no organization'],
    ['for an organization that is not a string', async () => sign({ org_id: ['org_1'] }), 'no organization'],
    ['with an unknown impersonator', async () => sign({ act: { email: 'support@workos.example' } }), 'not a valid token'],
    ['whose permissions are not a list', async () => sign({ permissions: 'tenants:read' }), 'not a valid token'],
    ['without subject', withoutSubject, 'claim'],
    [
      'without signature',
      async () => new UnsecuredJWT({ org_id: 'org_1' }).setIssuer(issuer).setSubject('user_1').setExpirationTime('5m').encode(),
      'algorithm',
    ],
    ['signed with the public key as a secret', hmacWithPublicKey, 'algorithm'],
    ['that contains its own key', withOwnKey, 'signature'],
    ['signed by an unknown key', withUnknownKid, 'unknown key'],
    ['that is not a token', async () => 'abc.def.ghi', 'not a valid token'],
  ])('a token %s', async (_name, mint, reason) => {
    const problem = await refusal(admins().authenticate(`Bearer ${await mint()}`));
    expect(problem.status).toBe(401);
    expect(problem.headers['www-authenticate']).toMatch(/^Bearer realm="tenantry-admin", error="invalid_token"/);
    expect(problem.message).toContain(reason);
  });

  test.each<[string, Membership, string]>([
    ['a user who is no longer a member', { member: false }, 'not an active member'],
    ['a role that has changed', { member: true, role: 'viewer', roles: ['viewer'] }, 'role has changed'],
    ['a role that was added', { member: true, role: 'tenant-admin', roles: ['tenant-admin', 'viewer'] }, 'role has changed'],
  ])('%s', async (_name, membership, reason) => {
    const problem = await refusal(admins(async () => membership).authenticate(`Bearer ${await sign()}`));
    expect(problem.status).toBe(401);
    expect(problem.message).toContain(reason);
  });

  function hmacWithPublicKey() {
    return exportJWK(publicKey).then((jwk) =>
      new SignJWT({ org_id: 'org_1' })
        .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
        .setIssuer(issuer)
        .setSubject('user_1')
        .setExpirationTime('5m')
        .sign(new TextEncoder().encode(JSON.stringify(jwk))),
    );
  }

  async function withOwnKey() {
    const own = await generateKeyPair('RS256');
    return new SignJWT({ org_id: 'org_1' })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1', jwk: await exportJWK(own.publicKey), jku: 'https://evil.example/jwks' })
      .setIssuer(issuer)
      .setSubject('user_1')
      .setExpirationTime('5m')
      .sign(own.privateKey);
  }

  function withUnknownKid() {
    return new SignJWT({ org_id: 'org_1' })
      .setProtectedHeader({ alg: 'RS256', kid: 'k2' })
      .setIssuer(issuer)
      .setSubject('user_1')
      .setExpirationTime('5m')
      .sign(privateKey);
  }

  function withoutExpiry() {
    return new SignJWT({ org_id: 'org_1' })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer(issuer)
      .setSubject('user_1')
      .sign(privateKey);
  }

  function withoutSubject() {
    return new SignJWT({ org_id: 'org_1' })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer(issuer)
      .setExpirationTime('5m')
      .sign(privateKey);
  }
});

describe('the membership is confirmed with WorkOS', () => {
  const viewer: Membership = { member: true, role: 'viewer', roles: ['viewer'] };
  const both: Membership = { member: true, role: 'tenant-admin', roles: ['tenant-admin', 'viewer'] };

  const authenticate = async (known: Membership, confirmed: Membership | undefined, claims: JWTPayload = {}): Promise<Admin> => {
    const confirm = async () => confirmed ?? expect.unreachable('the membership was confirmed');
    const memberships = { lookup: async () => known, confirm };
    return new Admins({ tokens, memberships, platformOrganizationId: 'org_platform' }).authenticate(`Bearer ${await sign(claims)}`);
  };

  test.each<[string, Membership, JWTPayload]>([
    ['of the same role', active, {}],
    ['of the same roles in another order', both, { role: 'viewer', roles: ['viewer', 'tenant-admin'] }],
  ])('not when the known one is %s', async (_name, known, claims) => {
    expect(await authenticate(known, undefined, claims)).toMatchObject({ userId: 'user_1' });
  });

  test.each<[string, Membership]>([
    ['has ended', { member: false }],
    ['has another role', viewer],
    ['has further roles', both],
  ])('when the known one %s', async (_name, known) => {
    expect(await authenticate(known, active)).toMatchObject({ role: 'tenant-admin' });
  });

  test.each<[string, Membership]>([
    ['one role of two', viewer],
    ['as many other roles', { member: true, role: 'tenant-admin', roles: ['tenant-admin', 'auditor'] }],
  ])('and a token of more roles is refused when it confirms %s', async (_name, confirmed) => {
    const refused = refusal(authenticate(active, confirmed, { roles: ['tenant-admin', 'viewer'] }));
    expect((await refused).message).toContain('role has changed');
  });
});

test('a failed lookup of the membership is an error', async () => {
  const unknown = admins(() => Promise.reject(new ProviderUnavailable('reading a membership', undefined)));
  await expect(unknown.authenticate(`Bearer ${await sign()}`)).rejects.toBeInstanceOf(ProviderUnavailable);
});

test('the signature is checked before the membership is looked up', async () => {
  const never = admins(() => expect.unreachable('the membership was asked for'));
  const forged = await sign({}, { key: (await generateKeyPair('RS256')).privateKey });
  expect((await refusal(never.authenticate(`Bearer ${forged}`))).status).toBe(401);
});

test('a missing permission is refused with 403 and named', async () => {
  const admin = await signedIn();
  expect(() => requirePermission(admin, 'tenants:read')).not.toThrow();
  expect(() => requirePermission(admin, 'tenants:delete')).toThrow(
    expect.objectContaining({
      status: 403,
      message: 'The permission tenants:delete is required.',
      headers: { 'www-authenticate': 'Bearer realm="tenantry-admin", error="insufficient_scope", scope="tenants:delete"' },
    }),
  );
});

test('administrators see the tenants of their organization, or all', async () => {
  const own = tenant({ organizationId: 'org_1' });
  const foreign = tenant({ organizationId: 'org_2' });
  const nobodys = tenant({});
  const admin = await signedIn();
  expect([own, foreign, nobodys].map((one) => canSee(admin, one))).toEqual([true, false, false]);
  expect(() => requirePlatform(admin)).toThrow(/platform organization/);
  const platform = await signedIn({ org_id: 'org_platform' });
  expect([own, foreign, nobodys].map((one) => canSee(platform, one))).toEqual([true, true, true]);
  expect(() => requirePlatform(platform)).not.toThrow();
});

describe('changed keys at WorkOS', () => {
  const kept = { keys: [] as object[], answer: 'keys' as 'keys' | 'nothing' | 'failure', asked: 0 };
  const server = createServer((_request, response) => {
    kept.asked++;
    if (kept.answer === 'nothing') return response.destroy();
    response.writeHead(kept.answer === 'keys' ? 200 : 429, { 'content-type': 'application/json', 'retry-after': '30' });
    return response.end(JSON.stringify({ keys: kept.keys }));
  });
  let keysUrl: URL;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    keysUrl = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  afterAll(() => server.close());

  async function pair(kid: string) {
    const made = await generateKeyPair('RS256');
    const token = () =>
      new SignJWT({ org_id: 'org_1' })
        .setProtectedHeader({ alg: 'RS256', kid })
        .setIssuer(issuer)
        .setSubject('user_1')
        .setExpirationTime('2h')
        .sign(made.privateKey);
    return { jwk: { ...(await exportJWK(made.publicKey)), kid, alg: 'RS256' }, token };
  }

  const later = (ms: number) => {
    const now = Date.now() + ms;
    vi.useFakeTimers({ toFake: ['Date'], now });
  };

  test('are found within seconds, and removed ones trusted for ten minutes', async () => {
    const [first, second] = [await pair('first'), await pair('second')];
    Object.assign(kept, { keys: [first.jwk], answer: 'keys' });
    const verifier = new SessionTokens({ keysUrl, issuer });
    expect(await verifier.verify(await first.token())).toMatchObject({ userId: 'user_1' });
    kept.keys = [second.jwk];
    // However many tokens name keys that nobody knows, WorkOS is asked no more often than every ten seconds.
    const before = kept.asked;
    for (let i = 0; i < 5; i++) expect((await refusal(verifier.verify(await second.token()))).message).toContain('unknown key');
    expect(kept.asked).toBe(before);
    later(11_000);
    expect(await verifier.verify(await second.token())).toMatchObject({ userId: 'user_1' });
    expect((await refusal(verifier.verify(await first.token()))).message).toContain('unknown key');
    const third = await pair('third');
    kept.keys = [third.jwk];
    expect(await verifier.verify(await second.token())).toMatchObject({ userId: 'user_1' });
    later(601_000);
    expect((await refusal(verifier.verify(await second.token()))).message).toContain('unknown key');
  });

  test.each(['nothing', 'failure'] as const)('known keys stay in use while new ones cannot be read (%s)', async (answer) => {
    const [known, unknown] = [await pair('known'), await pair('unknown')];
    Object.assign(kept, { keys: [known.jwk], answer: 'keys' });
    const verifier = new SessionTokens({ keysUrl, issuer });
    await verifier.verify(await known.token());
    kept.answer = answer;
    later(11_000);
    expect(await verifier.verify(await known.token())).toMatchObject({ userId: 'user_1' });
    await expect(verifier.verify(await unknown.token())).rejects.toBeInstanceOf(ProviderUnavailable);
    await expect(new SessionTokens({ keysUrl, issuer }).verify(await known.token())).rejects.toBeInstanceOf(ProviderUnavailable);
  });
});
