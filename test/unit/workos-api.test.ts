import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NotFoundException, OauthException, UnauthorizedException, WorkOS } from '@workos-inc/node';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { startWorkos, type WorkosStandIn } from '../../local/workos/start.ts';

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

function connect({ apiKey, clientId, port }: WorkosStandIn, key = apiKey): WorkOS {
  return new WorkOS(key, { clientId, apiHostname: 'localhost', https: false, port, maxRetries: 0 });
}

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
    for (const name of ['page-a', 'page-b', 'page-c'])
      await sdk.organizations.createOrganization({ name, domainData: [{ domain: 'paged.example', state: 'verified' as never }] });
    const first = await sdk.organizations.listOrganizations({ domains: ['paged.example'], limit: 2 });
    expect(first.data.map(({ name }) => name)).toEqual(['page-c', 'page-b']);
    const all = await sdk.organizations.listOrganizations({ domains: ['paged.example'], after: first.listMetadata.after ?? '' });
    expect(all.data.map(({ name }) => name)).toEqual(['page-a']);
    expect(all.listMetadata).toEqual({ before: all.data[0]?.id, after: null });
  });

  test('the statuses filter keeps deactivated members out', async () => {
    const { user, organization, membership } = await member('filtered');
    const ask = async (statuses: ('active' | 'inactive')[]) =>
      (await sdk.userManagement.listOrganizationMemberships({ userId: user.id, organizationId: organization.id, statuses })).data;
    expect(await ask(['active'])).toMatchObject([{ id: membership.id, role: { slug: 'member' }, status: 'active' }]);
    await sdk.userManagement.deactivateOrganizationMembership(membership.id);
    expect(await ask(['active'])).toEqual([]);
    expect(await ask(['active', 'inactive'])).toMatchObject([{ status: 'inactive' }]);
    await sdk.userManagement.reactivateOrganizationMembership(membership.id);
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
    await sdk.userManagement.deactivateOrganizationMembership(who.membership.id);
    await expect(signIn(who)).rejects.toMatchObject({ status: 403 });
  });

  test('a member of two organizations chooses one', async () => {
    const who = await member('two-homes');
    const second = await sdk.organizations.createOrganization({ name: 'Second home' });
    await sdk.userManagement.createOrganizationMembership({ organizationId: second.id, userId: who.user.id });
    const refusal = await signIn(who).then(
      () => expect.unreachable('an organization must be chosen'),
      (error: { status: number; rawData: { code: string; pending_authentication_token: string } }) => error,
    );
    expect(refusal).toMatchObject({ status: 403, rawData: { code: 'organization_selection_required' } });
    const session = await sdk.userManagement.authenticateWithOrganizationSelection({
      clientId: workos.clientId,
      pendingAuthenticationToken: refusal.rawData.pending_authentication_token,
      organizationId: second.id,
    });
    expect(claimsOf(session.accessToken)['org_id']).toBe(second.id);
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
    first.createMembership({ userId: user.id, organizationId: organization.id, permissions: ['tenants:read'] });
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
      expect(claimsOf(session.accessToken)['permissions']).toEqual(['tenants:read']);
    } finally {
      await second.close();
    }
    expect(readFileSync(join(own, 'environment.json'), 'utf8')).not.toContain('a lasting password');
  } finally {
    await rm(own, { recursive: true });
  }
});

describe('answers fit the schemas of the published OpenAPI document', () => {
  const document = parse(readFileSync(createRequire(import.meta.url).resolve('@workos/openapi-spec'), 'utf8'));
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'workos');

  async function call(method: string, path: string, body?: object, authorized = true) {
    const response = await fetch(workos.apiUrl + path, {
      method,
      headers: {
        ...(authorized ? { authorization: `Bearer ${workos.apiKey}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as { id?: string } };
  }

  function expectFits(template: string, method: string, answer: { status: number; body: unknown }) {
    const pointer = ['paths', template, method, 'responses', String(answer.status), 'content', 'application/json', 'schema']
      .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    const validate = ajv.getSchema(`workos#/${pointer}`);
    expect(validate, `the document has no ${method} ${template} ${answer.status}`).toBeDefined();
    validate?.(answer.body);
    expect(validate?.errors ?? [], JSON.stringify(answer.body)).toEqual([]);
  }

  test('organizations', async () => {
    const created = await call('POST', '/organizations', { name: 'Shape', domain_data: [{ domain: 'shape.example', state: 'verified' }] });
    expect(created.status).toBe(201);
    expectFits('/organizations', 'post', created);
    expectFits('/organizations', 'get', await call('GET', '/organizations'));
    expectFits('/organizations/{id}', 'get', await call('GET', `/organizations/${created.body.id}`));
    expectFits('/organizations/{id}', 'get', await call('GET', '/organizations/org_01NONE'));
    expectFits('/organizations', 'post', await call('POST', '/organizations', {}));
  });

  test('users, memberships and sessions', async () => {
    const { user, organization, membership, email, password } = await member('shapely');
    expectFits('/user_management/users', 'get', await call('GET', '/user_management/users'));
    expectFits('/user_management/users/{id}', 'get', await call('GET', `/user_management/users/${user.id}`));
    expectFits('/user_management/users', 'post', await call('POST', '/user_management/users', { email: 'shape-2@example.com' }));
    expectFits('/user_management/users', 'post', await call('POST', '/user_management/users', { email: 'shape-2@example.com' }));
    const memberships = '/user_management/organization_memberships';
    expectFits(memberships, 'get', await call('GET', `${memberships}?user_id=${user.id}&statuses=active`));
    expectFits(memberships, 'get', await call('GET', memberships));
    const second = await sdk.userManagement.createUser({ email: 'shape-3@example.com' });
    const created = await call('POST', memberships, { user_id: second.id, organization_id: organization.id });
    expect(created.status).toBe(201);
    expectFits(memberships, 'post', created);
    expectFits(memberships, 'post', await call('POST', memberships, { user_id: second.id, organization_id: 'org_01NONE' }));
    expectFits(`${memberships}/{id}`, 'get', await call('GET', `${memberships}/${membership.id}`));
    const credentials = { client_id: workos.clientId, client_secret: workos.apiKey, grant_type: 'password', email, password };
    const session = await call('POST', '/user_management/authenticate', credentials, false);
    expect(session.status).toBe(200);
    expectFits('/user_management/authenticate', 'post', session);
    const refused = await call('POST', '/user_management/authenticate', { ...credentials, password: 'no' }, false);
    expect(refused.status).toBe(400);
    expectFits('/user_management/authenticate', 'post', refused);
    expectFits(`${memberships}/{id}/deactivate`, 'put', await call('PUT', `${memberships}/${membership.id}/deactivate`));
  });

  test('the key set', async () => {
    expectFits('/sso/jwks/{clientId}', 'get', await call('GET', `/sso/jwks/${workos.clientId}`, undefined, false));
    expectFits('/sso/jwks/{clientId}', 'get', await call('GET', '/sso/jwks/client_unknown', undefined, false));
  });
});

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}
