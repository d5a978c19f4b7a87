import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, describe, expect, it } from 'vitest';
import { type ApiKeyScope, generateApiKey, recordOf } from '../../../../../crds/api-keys.ts';
import { ApiKeys } from '../../../../../templates/sidecar/auth/api-keys.ts';
import { Authorizer } from '../../../../../templates/sidecar/auth/authorizer.ts';
import { ControlPlaneUnavailable } from '../../../../../templates/sidecar/auth/control-plane.ts';
import type { Membership, Memberships } from '../../../../../templates/sidecar/auth/memberships.ts';
import type { SigningKeys } from '../../../../../templates/sidecar/auth/signing-keys.ts';

const dir = mkdtempSync(join(tmpdir(), 'tenantry-authorizer-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const issuer = 'https://issuer.example';
const mcp = { url: 'https://mcp.example/t/acme/mcp', metadataUrl: 'https://mcp.example/metadata', door: 'mcp' } as const;
const api = { url: 'https://mcp.example/t/acme/api', metadataUrl: 'https://mcp.example/metadata', door: 'api' } as const;
const now = new Date('2026-01-01T00:00:00Z');
const { publicKey, privateKey } = await generateKeyPair('RS256');
const find = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] });
const yes: Membership = { member: true, access: 'all', role: 'member' };

interface World {
  readonly membership?: Membership | Error;
  readonly keysError?: Error;
  readonly oauth?: boolean;
}

function authorizer({ membership = yes, keysError, oauth = true }: World = {}, file = join(dir, 'none.json')) {
  const used: string[] = [];
  const of = async () => {
    if (membership instanceof Error) throw membership;
    return membership;
  };
  const keys = { find: keysError ? () => Promise.reject(keysError) : find } as unknown as SigningKeys;
  const one = new Authorizer({
    apiKeys: new ApiKeys(file, () => now.getTime()),
    onKeyUse: (id) => used.push(id),
    ...(oauth && {
      oauth: { issuer, clientId: 'client_env', organizationId: 'org_1', keys, memberships: { of } as unknown as Memberships },
    }),
    clock: () => now,
  });
  return { one, used };
}

const user = { sub: 'user_1', aud: mcp.url };
const machine = { sub: 'client_app', aud: 'client_env', org_id: 'org_1', scope: 'mcp' };

function token(claims: Readonly<Record<string, unknown>>, { from = issuer, key = privateKey, kid = 'k1', expires = 60 } = {}) {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid })
    .setIssuer(from)
    .setExpirationTime(now.getTime() / 1000 + expires)
    .sign(key);
}

const bearer = async (claims: Readonly<Record<string, unknown>>) => ({ authorization: `Bearer ${await token(claims)}` });

describe('a request without a usable credential', () => {
  it.each<[object, string, string]>([
    [{}, 'no_token', 'Authorization is required'],
    [{ authorization: 'Basic YTpi' }, 'invalid_token', 'must be "Bearer" and a token'],
    [{ authorization: 'Bearer' }, 'invalid_token', 'must be "Bearer" and a token'],
    [{ authorization: 'Bearer a b' }, 'invalid_token', 'must be "Bearer" and a token'],
    [{ 'x-api-key': 'key' }, 'unknown_key', 'holds no API key of Tenantry'],
    [{ authorization: 'Bearer abc' }, 'invalid_token', 'The token is not valid.'],
  ])('with %j is refused: %s', async (headers, reason, message) => {
    await expect(authorizer().one.authorize({ ...headers }, mcp)).rejects.toMatchObject({
      reason,
      message: expect.stringContaining(message),
    });
  });

  it('prefers a bearer token to X-API-Key', async () => {
    const headers = { ...(await bearer(user)), 'x-api-key': 'tnt_wrong' };
    expect(await authorizer().one.authorize(headers, mcp)).toMatchObject({ caller: { subject: 'user_1' } });
  });
});

describe('an API key', () => {
  function keyOf(scopes: readonly ApiKeyScope[], expiresAt?: string) {
    const key = generateApiKey();
    const file = join(dir, `${key}.json`);
    const records = [recordOf(generateApiKey(), 'other', ['mcp']), { ...recordOf(key, 'name', scopes), ...(expiresAt && { expiresAt }) }];
    writeFileSync(file, JSON.stringify(records));
    return { key, file, id: key.slice(4, 16) };
  }

  it.each<[ApiKeyScope[], typeof mcp | typeof api, string, string, string]>([
    [['mcp'], mcp, 'all', 'mcp', 'its scope is "mcp"'],
    [['mcp:read'], mcp, 'read', 'mcp:read', 'This API key may only read: its scope is "mcp:read".'],
    [['mcp:read', 'mcp'], mcp, 'all', 'mcp', ''],
    [['api'], api, 'all', 'api', ''],
    [['api:read'], api, 'read', 'api:read', ''],
    [['probe'], mcp, 'probe', 'probe', 'A probe key may only initialize and list tools.'],
    [['probe', 'mcp'], mcp, 'all', 'mcp', ''],
  ])('with %j at %o has the access %s', async (scopes, resource, access, scope, limits) => {
    const { key, file, id } = keyOf(scopes);
    const { one, used } = authorizer({}, file);
    const authorized = await one.authorize({ 'x-api-key': key }, resource);
    expect(authorized).toMatchObject({ caller: { subject: `key:${id}`, scopes: [scope] }, access });
    expect(authorized.limits).toContain(limits);
    expect(used).toEqual([id]);
    expect(await one.authorize({ authorization: `bearer  ${key} ` }, resource)).toEqual(authorized);
  });

  it.each<[ApiKeyScope[], typeof mcp | typeof api, string]>([
    [['api'], mcp, 'lacks the scope "mcp"'],
    [['mcp'], api, 'lacks the scope "api"'],
    [['probe'], api, 'lacks the scope "api"'],
  ])('with %j is refused at %o', async (scopes, resource, message) => {
    const { key, file } = keyOf(scopes);
    await expect(authorizer({}, file).one.authorize({ 'x-api-key': key }, resource)).rejects.toMatchObject({
      reason: 'scope',
      message: expect.stringContaining(message),
    });
  });

  it('is refused when it is unknown, and when it has expired', async () => {
    const { key, file } = keyOf(['mcp'], '2026-01-01T00:00:00Z');
    const { one, used } = authorizer({}, file);
    await expect(one.authorize({ 'x-api-key': generateApiKey() }, mcp)).rejects.toMatchObject({ reason: 'unknown_key' });
    await expect(one.authorize({ 'x-api-key': key }, mcp)).rejects.toMatchObject({ reason: 'expired' });
    expect(used).toEqual([]);
    const later = keyOf(['mcp'], '2026-01-01T00:00:01Z');
    expect(await authorizer({}, later.file).one.authorize({ 'x-api-key': later.key }, mcp)).toMatchObject({ access: 'all' });
  });

  it.each([
    ['no file', undefined],
    ['no JSON', '{'],
    ['a short hash', JSON.stringify([{ id: 'a', sha256: 'ff', scopes: ['mcp'] }])],
    ['a time that is none', JSON.stringify([{ ...recordOf(generateApiKey(), 'x', ['mcp']), expiresAt: 'soon' }])],
  ])('cannot be judged with %s', async (name, text) => {
    const file = join(dir, name.replaceAll(' ', '-'));
    if (text !== undefined) writeFileSync(file, text);
    await expect(new ApiKeys(file).verify('tnt_any')).rejects.toMatchObject({ reason: 'unavailable', headers: { 'retry-after': '2' } });
  });

  it('is unknown where the tenant has no file of keys', async () => {
    await expect(new ApiKeys(undefined).verify('tnt_any')).rejects.toMatchObject({ reason: 'unknown_key' });
  });
});

describe("a user's token", () => {
  it.each<[Membership, string, string]>([
    [yes, 'all', 'Your role "member" may only read.'],
    [{ member: true, access: 'read', role: 'viewer' }, 'read', 'Your role "viewer" may only read.'],
    [{ member: true, access: 'all', role: undefined }, 'all', 'Your role may only read.'],
  ] as [Membership, string, string][])('of the membership %j has the access %s', async (membership, access, limits) => {
    const headers = await bearer({ ...user, scope: 'mcp openid api:read tasks' });
    const authorized = await authorizer({ membership }).one.authorize(headers, mcp);
    expect(authorized).toMatchObject({
      caller: { subject: 'user_1', organization: 'org_1', scopes: [access === 'all' ? 'mcp' : 'mcp:read', 'openid', 'tasks'] },
      access,
    });
    expect(authorized.limits).toContain(limits);
  });

  it('may name several audiences', async () => {
    expect(await authorizer().one.authorize(await bearer({ ...user, aud: ['client_env', mcp.url] }), mcp)).toMatchObject({ access: 'all' });
  });

  it.each<[string, object, string, string, World?]>([
    ['of no member', {}, 'not_member', 'not an active member', { membership: { member: false } }],
    [
      'of a role without access',
      {},
      'role',
      'Your role "guest" may not use this tenant.',
      { membership: { member: true, access: 'none', role: 'guest' } as Membership },
    ],
    ['for another resource', { aud: api.url }, 'wrong_audience', 'issued for another resource'],
    ['for no resource', { aud: undefined }, 'wrong_audience', 'issued for another resource'],
    ['of a strange subject', { sub: 'a/b' }, 'invalid_token', 'names no user'],
    ['of a subject of dots', { sub: '..' }, 'invalid_token', 'names no user'],
    ['of a subject that is too long', { sub: 'a'.repeat(201) }, 'invalid_token', 'names no user'],
    ['without a subject', { sub: undefined }, 'invalid_token', 'The claim sub of the token is not valid.'],
    ['that is not valid yet', { nbf: now.getTime() / 1000 + 60 }, 'invalid_token', 'The claim nbf of the token is not valid.'],
    ['of a tenant without an organization', {}, 'invalid_token', 'only its API keys work', { oauth: false }],
  ])('%s is refused: %s', async (_name, claims, reason, message, world = {}) => {
    const headers = await bearer({ ...user, ...claims });
    await expect(authorizer(world).one.authorize(headers, mcp)).rejects.toMatchObject({
      reason,
      message: expect.stringContaining(message),
    });
  });

  it.each<[string, () => Promise<string>, string]>([
    ['has expired', () => token(user, { expires: 0 }), 'expired'],
    ['is of another issuer', () => token(user, { from: 'https://evil.example' }), 'wrong_issuer'],
    ['is of another issuer and key', () => token(user, { from: 'https://evil.example', kid: 'k2' }), 'wrong_issuer'],
    ['is of an unknown key', () => token(user, { kid: 'k2' }), 'invalid_token'],
    ['is forged', async () => token(user, { key: (await generateKeyPair('RS256')).privateKey }), 'invalid_token'],
    ['is not signed', async () => new UnsecuredJWT(user).setIssuer(issuer).setExpirationTime('1h').encode(), 'invalid_token'],
    ['names no issuer and no known key', async () => new UnsecuredJWT(user).encode(), 'invalid_token'],
  ])('that %s is refused', async (_name, mint, reason) => {
    await expect(authorizer().one.authorize({ authorization: `Bearer ${await mint()}` }, mcp)).rejects.toMatchObject({ reason });
  });

  it.each<[string, World]>([
    ['the membership', { membership: new ControlPlaneUnavailable('away', 7) }],
    ['the keys', { keysError: new ControlPlaneUnavailable('away', 7) }],
  ])('cannot be judged without %s', async (_name, world) => {
    await expect(authorizer(world).one.authorize(await bearer(user), mcp)).rejects.toMatchObject({
      reason: 'unavailable',
      status: 503,
      headers: { 'retry-after': '7' },
    });
  });

  it('fails with an error that is none of the control plane', async () => {
    const world = { membership: new Error('a fault of the program') };
    await expect(authorizer(world).one.authorize(await bearer(user), mcp)).rejects.toThrow('a fault of the program');
  });
});

describe("an application's token", () => {
  it.each<[string, typeof mcp | typeof api, string, string]>([
    ['mcp tasks', mcp, 'all', 'mcp'],
    ['mcp:read  tasks', mcp, 'read', 'mcp:read'],
    ['api:read tasks', api, 'read', 'api:read'],
  ])('with the scope %j has its access', async (scope, resource, access, granted) => {
    expect(await authorizer().one.authorize(await bearer({ ...machine, scope }), resource)).toEqual({
      caller: { subject: 'client_app', organization: 'org_1', scopes: [granted, 'tasks'] },
      access,
      limits: `This application may only read: the scope of its token is "${granted}".`,
    });
  });

  it.each<[string, object, string]>([
    ['of another organization', { org_id: 'org_2' }, 'not_member'],
    ['of no organization', { org_id: undefined }, 'not_member'],
    ['without a scope', { scope: undefined }, 'scope'],
    ['with a list of scopes', { scope: ['mcp'] }, 'scope'],
    ['with a scope of another door', { scope: 'api' }, 'scope'],
    ['of a user', { sub: 'user_1' }, 'wrong_audience'],
    ['of the environment itself', { sub: 'client_env' }, 'wrong_audience'],
    ['of a session', { sid: 'session_1' }, 'wrong_audience'],
    ['of another application', { client_id: 'client_other' }, 'wrong_audience'],
    ['of a subject that is too long', { sub: `client_${'a'.repeat(101)}` }, 'wrong_audience'],
    ['for two audiences', { aud: ['client_env', 'other'] }, 'wrong_audience'],
  ])('%s is refused', async (_name, claims, reason) => {
    await expect(authorizer().one.authorize(await bearer({ ...machine, ...claims }), mcp)).rejects.toMatchObject({ reason });
  });

  it('may name its application', async () => {
    expect(await authorizer().one.authorize(await bearer({ ...machine, client_id: 'client_app' }), mcp)).toMatchObject({ access: 'all' });
  });
});
