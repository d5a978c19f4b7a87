import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NotFoundException, OauthException, UnauthorizedException, type WorkOS } from '@workos-inc/node';
import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startWorkos, type WorkosStandIn } from '../../../../local/workos/start.ts';
import { claimsOf, connect } from './environment.ts';

let dir: string;
let workos: WorkosStandIn;
let sdk: WorkOS;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'workos-'));
  workos = await startWorkos({ port: 0, dir });
  sdk = connect(workos);
});

afterAll(async () => {
  await workos.close();
  await rm(dir, { recursive: true });
});

async function member(name: string, roleSlug = 'member') {
  const organization = await sdk.organizations.createOrganization({ name });
  const email = `${name}@example.com`;
  const user = await sdk.userManagement.createUser({ email, password: `password of ${name}` });
  const membership = await sdk.userManagement.createOrganizationMembership({ organizationId: organization.id, userId: user.id, roleSlug });
  return { organization, user, membership, email, password: `password of ${name}` };
}

const signIn = (who: { email: string; password: string }) =>
  sdk.userManagement.authenticateWithPassword({ ...who, clientId: workos.clientId });

describe('organizations, users and memberships, through the SDK', () => {
  test('an organization is found by id and by external id', async () => {
    const created = await sdk.organizations.createOrganization({ name: 'Findable', externalId: 'ext-1' });
    expect((await sdk.organizations.getOrganization(created.id)).name).toBe('Findable');
    expect((await sdk.organizations.getOrganizationByExternalId('ext-1')).id).toBe(created.id);
    await expect(sdk.organizations.getOrganization('org_01UNKNOWN')).rejects.toBeInstanceOf(NotFoundException);
  });

  test('an external id belongs to one organization', async () => {
    await sdk.organizations.createOrganization({ name: 'One', externalId: 'ext-2' });
    await expect(sdk.organizations.createOrganization({ name: 'Two', externalId: 'ext-2' })).rejects.toMatchObject({ status: 400 });
  });

  test('lists are paged, newest first', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) await sdk.organizations.createOrganization({ name });
    const first = await sdk.organizations.listOrganizations({ limit: 2 });
    expect(first.data.map(({ name }) => name)).toEqual(['page-c', 'page-b']);
    const next = await sdk.organizations.listOrganizations({ after: first.listMetadata.after ?? '', limit: 1 });
    expect(next.data.map(({ name }) => name)).toEqual(['page-a']);
    expect(next.listMetadata.before).toBe(next.data[0]?.id);
  });

  test('the statuses filter keeps deactivated members out', async () => {
    const { user, organization, membership } = await member('filtered');
    const ask = async (statuses: ('active' | 'inactive')[]) =>
      (await sdk.userManagement.listOrganizationMemberships({ userId: user.id, organizationId: organization.id, statuses })).data;
    expect(await ask(['active'])).toMatchObject([{ id: membership.id, role: { slug: 'member' }, status: 'active' }]);
    workos.deactivate(membership.id);
    expect(await ask(['active'])).toEqual([]);
    expect(await ask(['active', 'inactive'])).toMatchObject([{ status: 'inactive' }]);
    workos.reactivate(membership.id);
    expect(await ask(['active'])).toHaveLength(1);
  });

  test('a membership needs a role that exists', async () => {
    const { user } = await member('role-less');
    const other = await sdk.organizations.createOrganization({ name: 'Other' });
    await expect(
      sdk.userManagement.createOrganizationMembership({ organizationId: other.id, userId: user.id, roleSlug: 'emperor' }),
    ).rejects.toMatchObject({ status: 422 });
  });

  test('an e-mail address belongs to one user', async () => {
    await sdk.userManagement.createUser({ email: 'once@example.com' });
    await expect(sdk.userManagement.createUser({ email: 'Once@example.com' })).rejects.toMatchObject({ status: 400 });
  });

  test('an e-mail address belongs to one user even when two ask at once', async () => {
    const ask = () => sdk.userManagement.createUser({ email: 'race@example.com', password: 'a good password' });
    const outcomes = await Promise.allSettled([ask(), ask(), ask()]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('sessions', () => {
  test('the access token carries organization, role and permissions and verifies with the key set', async () => {
    const admin = await member('boss', 'platform-admin');
    const session = await signIn(admin);
    const keys = createRemoteJWKSet(new URL(sdk.userManagement.getJwksUrl(workos.clientId)));
    const { payload } = await jwtVerify(session.accessToken, keys, { issuer: workos.adminIssuer, algorithms: ['RS256'] });
    expect(payload).toMatchObject({
      sub: admin.user.id,
      org_id: admin.organization.id,
      role: 'platform-admin',
      permissions: expect.arrayContaining(['tenants:read', 'tenants:write', 'tenants:delete']),
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300);
  });

  test.each([
    ['platform-viewer', ['tenants:read', 'audit:read']],
    ['member', []],
  ])('role %s has the permissions %j', async (roleSlug, permissions) => {
    const session = await signIn(await member(`with-${roleSlug}`, roleSlug));
    expect(claimsOf(session.accessToken)['permissions']).toEqual(permissions);
  });

  test('a refresh token is good for one use', async () => {
    const { refreshToken } = await signIn(await member('refresher'));
    const again = await sdk.userManagement.authenticateWithRefreshToken({ refreshToken, clientId: workos.clientId });
    expect(again.refreshToken).not.toBe(refreshToken);
    await expect(sdk.userManagement.authenticateWithRefreshToken({ refreshToken, clientId: workos.clientId })).rejects.toBeInstanceOf(
      OauthException,
    );
  });

  test('a wrong password and a deactivated member are refused', async () => {
    const who = await member('refused');
    await expect(signIn({ ...who, password: 'wrong password' })).rejects.toMatchObject({ message: 'Invalid credentials.' });
    workos.deactivate(who.membership.id);
    await expect(signIn(who)).rejects.toMatchObject({ status: 403 });
  });

  test('a member of two organizations does not sign in by password alone', async () => {
    const who = await member('two-homes');
    const second = await sdk.organizations.createOrganization({ name: 'Second home' });
    await sdk.userManagement.createOrganizationMembership({ organizationId: second.id, userId: who.user.id });
    await expect(signIn(who)).rejects.toMatchObject({ status: 403, rawData: { code: 'organization_selection_required' } });
  });

  test('adminToken mints what a sign-in would', async () => {
    const { user, organization } = await member('minted');
    const token = await workos.adminToken({
      userId: user.id,
      organizationId: organization.id,
      permissions: ['tenants:read'],
      expiresIn: 60,
    });
    const keys = createLocalJWKSet((await (await fetch(sdk.userManagement.getJwksUrl(workos.clientId))).json()) as JSONWebKeySet);
    const { payload } = await jwtVerify(token, keys, { issuer: workos.adminIssuer });
    expect(payload).toMatchObject({ sub: user.id, org_id: organization.id, permissions: ['tenants:read'] });
  });
});

describe('OAuth resources', () => {
  const path = '/user_management/authkit_oauth_resources';

  test('are created, listed and deleted', async () => {
    const { data: created } = await sdk.post(path, { uri: 'https://one.example/mcp' });
    expect(created).toEqual({
      object: 'authkit_oauth_resource',
      id: expect.stringMatching(/^authkit_oauth_resource_[0-9A-Z]{26}$/),
      uri: 'https://one.example/mcp',
      default: false,
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    const listed = async () =>
      (await sdk.get<{ data: { uri: string }[] }>(path, { query: { limit: 100 } })).data.data.map(({ uri }) => uri);
    expect(await listed()).toContain('https://one.example/mcp');
    await sdk.delete(`${path}/${created.id}`);
    expect(await listed()).not.toContain('https://one.example/mcp');
    await expect(sdk.delete(`${path}/${created.id}`)).rejects.toBeInstanceOf(NotFoundException);
  });

  test('a registered URI is not registered twice', async () => {
    await sdk.post(path, { uri: 'https://twice.example/mcp' });
    await expect(sdk.post(path, { uri: 'https://twice.example/mcp' })).rejects.toMatchObject({
      status: 422,
      message: "AuthKit OAuth resource 'https://twice.example/mcp' already exists.",
    });
  });

  test.each([['relative/path'], ['https://a.example/#fragment'], ['https://*.example'], [''], [undefined]])(
    '%j is not a resource',
    async (uri) => {
      await expect(sdk.post(path, { uri })).rejects.toMatchObject({ status: 422 });
    },
  );
});

test('a wrong API key is refused', async () => {
  const stranger = connect(workos, 'sk_test_wrong');
  await expect(stranger.organizations.listOrganizations()).rejects.toBeInstanceOf(UnauthorizedException);
  await expect(stranger.post('/user_management/authkit_oauth_resources', { uri: 'https://x.example' })).rejects.toBeInstanceOf(
    UnauthorizedException,
  );
});

test('unknown paths are not found', async () => {
  await expect(sdk.get('/vault/v1/kv')).rejects.toBeInstanceOf(NotFoundException);
});

test('state survives a restart on the same folder and port', async () => {
  const own = await mkdtemp(join(tmpdir(), 'workos-'));
  try {
    const first = await startWorkos({ port: 0, dir: own });
    const organization = first.createOrganization({ name: 'Lasting', externalId: 'lasting' });
    const user = await first.createUser({ email: 'lasting@example.com', password: 'a lasting password' });
    first.createMembership({ userId: user.id, organizationId: organization.id, roleSlug: 'platform-viewer' });
    const token = await first.adminToken({ userId: user.id, permissions: [] });
    await first.close();
    const second = await startWorkos({ port: first.port, dir: own });
    try {
      expect(second).toMatchObject({ clientId: first.clientId, apiKey: first.apiKey, issuer: first.issuer });
      expect(second.findOrganization('lasting')?.id).toBe(organization.id);
      const keys = createRemoteJWKSet(new URL(`${second.apiUrl}/sso/jwks/${second.clientId}`));
      await jwtVerify(token, keys, { issuer: second.adminIssuer });
      const session = await connect(second).userManagement.authenticateWithPassword({
        clientId: second.clientId,
        email: 'lasting@example.com',
        password: 'a lasting password',
      });
      expect(claimsOf(session.accessToken)['permissions']).toEqual(['tenants:read', 'audit:read']);
    } finally {
      await second.close();
    }
    expect(readFileSync(join(own, 'environment.json'), 'utf8')).not.toContain('a lasting password');
  } finally {
    await rm(own, { recursive: true });
  }
});
