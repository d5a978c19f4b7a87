import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type EventName, WorkOS } from '@workos-inc/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { approveDeviceByScript } from '../../../../local/workos/approve-device-by-script.ts';
import { signInByScript } from '../../../../local/workos/sign-in-by-script.ts';
import { startWorkos, type WorkosStandIn } from '../../../../local/workos/start.ts';
import { type Exchange, PublishedDocument } from './published-document.ts';

const document = new PublishedDocument();
const exchanges: Exchange[] = [];
const password = 'a good password';
let dir: string;
let workos: WorkosStandIn;
let sdk: WorkOS;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'workos-'));
  workos = await startWorkos({ port: 0, dir, deviceIntervalSeconds: 0 });
  const { apiKey, clientId, port } = workos;
  sdk = new WorkOS(apiKey, { clientId, apiHostname: 'localhost', https: false, port, maxRetries: 0, fetchFn: recorded });
});

afterAll(async () => {
  await workos.close();
  await rm(dir, { recursive: true });
});

/** `fetch` that notes what was said. */
async function recorded(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const sent = await request.clone().text();
  const response = await fetch(request, { redirect: 'manual' });
  const text = await response.clone().text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  exchanges.push({
    method: request.method,
    url: new URL(request.url),
    request: sent === '' ? undefined : JSON.parse(sent),
    status: response.status,
    response: isJson ? JSON.parse(text) : text,
  });
  return response;
}

function call(method: string, path: string, body?: object): Promise<Response> {
  return recorded(workos.apiUrl + path, {
    method,
    headers: { authorization: `Bearer ${workos.apiKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** What was refused, with its status. */
const refusal = (attempt: Promise<unknown>): Promise<number> =>
  attempt.then(
    () => expect.unreachable('it should have been refused'),
    (error: { status: number }) => error.status,
  );

/** Every exchange of the test that runs is as the document has it. */
async function held(run: () => Promise<void>): Promise<void> {
  const before = exchanges.length;
  await run();
  const made = exchanges.slice(before);
  expect(made.length).toBeGreaterThan(0);
  expect(made.flatMap((exchange) => document.faults(exchange))).toEqual([]);
}

const authorizationUrl = (verifier: string): string =>
  sdk.userManagement.getAuthorizationUrl({
    clientId: workos.clientId,
    provider: 'authkit',
    redirectUri: 'http://127.0.0.1:40000/callback',
    codeChallenge: createHash('sha256').update(verifier).digest('base64url'),
    codeChallengeMethod: 'S256',
  });

const person = (email: string) => sdk.userManagement.createUser({ email, password, firstName: 'Ann', emailVerified: true });

describe('requests and answers are as the published document has them', () => {
  test('organizations', () =>
    held(async () => {
      const { organizations } = sdk;
      const created = await organizations.createOrganization({
        name: 'Acme',
        externalId: 'acme',
        metadata: { tier: 'gold' },
        domainData: [{ domain: 'acme.example', state: 'verified' as never }],
      });
      await organizations.listOrganizations({ limit: 1, order: 'asc', domains: ['acme.example'] });
      await organizations.getOrganization(created.id);
      await organizations.getOrganizationByExternalId('acme');
      await organizations.updateOrganization({ organization: created.id, name: 'Acme Inc.', metadata: { tier: 'silver' } });
      const other = await organizations.createOrganization({ name: 'Other' });
      expect(await refusal(organizations.createOrganization({ name: 'Again', externalId: 'acme' }))).toBe(400);
      expect(await refusal(organizations.updateOrganization({ organization: other.id, externalId: 'acme' }))).toBe(400);
      expect(await refusal(organizations.listOrganizations({ limit: 1000 }))).toBe(422);
      await organizations.deleteOrganization(other.id);
    }));

  test('users', () =>
    held(async () => {
      const { userManagement } = sdk;
      const user = await userManagement.createUser({ email: 'user@example.com', password, externalId: 'user', metadata: { a: 'b' } });
      await userManagement.listUsers({ email: 'user@example.com', limit: 5 });
      await userManagement.getUser(user.id);
      await userManagement.getUserByExternalId('user');
      await userManagement.updateUser({ userId: user.id, firstName: 'Ann', locale: 'en', password: 'another password' });
      expect(await refusal(userManagement.createUser({ email: 'user@example.com' }))).toBe(400);
      expect(await refusal(userManagement.createUser({ email: 'weak@example.com', password: 'weak' }))).toBe(400);
      const other = await userManagement.createUser({ email: 'other@example.com' });
      expect(await refusal(userManagement.updateUser({ userId: other.id, email: 'user@example.com' }))).toBe(400);
      expect(await refusal(userManagement.updateUser({ userId: other.id, externalId: 'user' }))).toBe(400);
      await userManagement.deleteUser(other.id);
    }));

  test('memberships', () =>
    held(async () => {
      const { userManagement, organizations } = sdk;
      const { id: organizationId } = await organizations.createOrganization({ name: 'Members' });
      const { id: userId } = await person('member@example.com');
      const created = await userManagement.createOrganizationMembership({ organizationId, userId, roleSlug: 'viewer' });
      await userManagement.listOrganizationMemberships({ organizationId, statuses: ['active', 'inactive'] });
      await userManagement.getOrganizationMembership(created.id);
      await userManagement.updateOrganizationMembership(created.id, { roleSlug: 'admin' });
      await userManagement.deactivateOrganizationMembership(created.id);
      await userManagement.reactivateOrganizationMembership(created.id);
      await userManagement.listUsers({ organizationId });
      expect((await call('GET', '/user_management/organization_memberships')).status).toBe(400);
      expect(await refusal(userManagement.updateOrganizationMembership(created.id, { roleSlug: 'emperor' }))).toBe(422);
      expect(await refusal(userManagement.updateOrganizationMembership(created.id, { roleSlugs: ['admin', 'member'] }))).toBe(422);
      expect(await refusal(userManagement.createOrganizationMembership({ organizationId: 'org_01NONE', userId }))).toBe(404);
      const invited = await person('pending@example.com');
      await userManagement.sendInvitation({ email: invited.email, organizationId });
      const [pending] = workos.memberships({ userId: invited.id });
      expect(await refusal(userManagement.deactivateOrganizationMembership(pending?.id ?? ''))).toBe(400);
      expect(await refusal(userManagement.reactivateOrganizationMembership(pending?.id ?? ''))).toBe(400);
      expect(await refusal(userManagement.createOrganizationMembership({ organizationId, userId: invited.id }))).toBe(400);
      await userManagement.deleteOrganizationMembership(created.id);
    }));

  test('invitations', () =>
    held(async () => {
      const { userManagement, organizations } = sdk;
      const { id: organizationId } = await organizations.createOrganization({ name: 'Inviting' });
      const user = await person('invited@example.com');
      const invitation = await userManagement.sendInvitation({
        email: user.email,
        organizationId,
        expiresInDays: 3,
        roleSlug: 'viewer',
        inviterUserId: (await person('inviter@example.com')).id,
      });
      await userManagement.listInvitations({ email: user.email, organizationId });
      await userManagement.getInvitation(invitation.id);
      await userManagement.findInvitationByToken(invitation.token);
      await userManagement.resendInvitation(invitation.id);
      expect(await refusal(userManagement.sendInvitation({ email: user.email, organizationId }))).toBe(400);
      await userManagement.acceptInvitation(invitation.id);
      for (const again of [
        () => userManagement.acceptInvitation(invitation.id),
        () => userManagement.resendInvitation(invitation.id),
        () => userManagement.revokeInvitation(invitation.id),
        () => userManagement.sendInvitation({ email: user.email, organizationId }),
        () => userManagement.sendInvitation({ email: user.email }),
        () => userManagement.sendInvitation({ email: 'long@example.com', organizationId, expiresInDays: 99 }),
        () => userManagement.sendInvitation({ email: 'role@example.com', organizationId, roleSlug: 'emperor' }),
      ]) {
        expect(await refusal(again())).toBe(400);
      }
      const other = await userManagement.sendInvitation({ email: 'free@example.com' });
      expect(await refusal(userManagement.sendInvitation({ email: 'free@example.com' }))).toBe(400);
      await userManagement.revokeInvitation(other.id);
      expect(await refusal(userManagement.resendInvitation(other.id))).toBe(400);
      expect(await refusal(userManagement.acceptInvitation(other.id))).toBe(400);
    }));

  test('sessions, by every way to them', () =>
    held(async () => {
      const { userManagement, organizations } = sdk;
      const { clientId } = workos;
      const { id: userId, email } = await person('session@example.com');
      for (const name of ['One', 'Two']) {
        const { id: organizationId } = await organizations.createOrganization({ name });
        await userManagement.createOrganizationMembership({ organizationId, userId });
      }
      const choice = await userManagement
        .authenticateWithPassword({ clientId, email, password })
        .catch((error: { rawData: { pending_authentication_token: string; organizations: { id: string }[] } }) => error.rawData);
      if (!('pending_authentication_token' in choice)) expect.unreachable('an organization must be chosen');
      const [first, second] = choice.organizations;
      const session = await userManagement.authenticateWithOrganizationSelection({
        clientId,
        pendingAuthenticationToken: choice.pending_authentication_token,
        organizationId: first?.id ?? '',
      });
      const organizationId = second?.id ?? '';
      await userManagement.authenticateWithRefreshToken({ clientId, refreshToken: session.refreshToken, organizationId });
      await expect(userManagement.authenticateWithRefreshToken({ clientId, refreshToken: session.refreshToken })).rejects.toThrow();
      expect(await refusal(userManagement.authenticateWithPassword({ clientId, email, password: 'wrong' }))).toBe(400);

      const verifier = randomBytes(32).toString('base64url');
      const chosen = await signInByScript(authorizationUrl(verifier), { email, password, organizationId });
      const opened = await userManagement.authenticateWithCode({
        clientId,
        code: chosen.searchParams.get('code') ?? '',
        codeVerifier: verifier,
      });
      expect(opened.organizationId).toBe(organizationId);

      const lone = await person('lone@example.com');
      await userManagement.authenticateWithPassword({ clientId, email: lone.email, password });
      const codeVerifier = randomBytes(32).toString('base64url');
      const url = authorizationUrl(codeVerifier);
      expect((await recorded(url)).status).toBe(200);
      const code = (await signInByScript(url, { email: lone.email, password })).searchParams.get('code') ?? '';
      await userManagement.authenticateWithCode({ clientId, code, codeVerifier });
      await expect(userManagement.authenticateWithCode({ clientId, code, codeVerifier })).rejects.toThrow();

      const begin = async () => (await (await call('POST', '/user_management/authorize/device', { client_id: clientId })).json()) as Device;
      const grant = { client_id: clientId, grant_type: 'urn:ietf:params:oauth:grant-type:device_code' };
      const device = await begin();
      const ask = async ({ device_code }: Device) =>
        (await call('POST', '/user_management/authenticate', { ...grant, device_code })).status;
      expect(await ask(device)).toBe(400);
      await approveDeviceByScript(device.verification_uri_complete, { email: lone.email, password });
      expect(await ask(device)).toBe(200);
      const denied = await begin();
      await approveDeviceByScript(denied.verification_uri_complete, { email: lone.email, password, decision: 'deny' });
      expect(await ask(denied)).toBe(400);
      expect((await call('POST', '/user_management/authorize/device', { client_id: 'client_other' })).status).toBe(400);
      expect((await call('GET', `/sso/jwks/${clientId}`)).status).toBe(200);
    }));

  test('roles and permissions', () =>
    held(async () => {
      const { authorization } = sdk;
      await authorization.createPermission({ slug: 'reports:read', name: 'Read reports', description: 'All of them' });
      await authorization.listPermissions({ limit: 2, order: 'asc' });
      await authorization.getPermission('reports:read');
      await authorization.updatePermission('reports:read', { name: 'See reports', description: null });
      await authorization.createEnvironmentRole({ slug: 'reporter', name: 'Reporter' });
      await authorization.listEnvironmentRoles();
      await authorization.getEnvironmentRole('reporter');
      await authorization.updateEnvironmentRole('reporter', { description: 'Reports' });
      await authorization.addEnvironmentRolePermission('reporter', { permissionSlug: 'reports:read' });
      await authorization.setEnvironmentRolePermissions('reporter', { permissions: ['audit:read'] });
      expect(await refusal(authorization.createPermission({ slug: 'reports:read', name: 'Again' }))).toBe(409);
      expect(await refusal(authorization.createPermission({ slug: 'Reports', name: 'Capital' }))).toBe(422);
      expect(await refusal(authorization.createEnvironmentRole({ slug: 'reporter', name: 'Again' }))).toBe(409);
      expect(await refusal(authorization.setEnvironmentRolePermissions('reporter', { permissions: ['no:such'] }))).toBe(404);
      expect(await refusal(authorization.deletePermission('widgets:sso:manage'))).toBe(403);
      expect(await refusal(authorization.updatePermission('widgets:sso:manage', { name: 'Mine' }))).toBe(403);
      await authorization.deletePermission('reports:read');
    }));

  test('webhook endpoints', () =>
    held(async () => {
      const { webhooks } = sdk;
      const wanted = { endpointUrl: 'https://hooks.example/workos', events: ['user.created' as never] };
      const endpoint = await webhooks.createWebhookEndpoint(wanted);
      await webhooks.listWebhookEndpoints({ limit: 5 });
      await webhooks.updateWebhookEndpoint({ id: endpoint.id, status: 'disabled' as never, events: ['user.deleted' as never] });
      expect(await refusal(webhooks.createWebhookEndpoint(wanted))).toBe(409);
      expect(await refusal(webhooks.createWebhookEndpoint({ ...wanted, endpointUrl: 'http://hooks.example' }))).toBe(422);
      expect(await refusal(webhooks.updateWebhookEndpoint({ id: endpoint.id, events: ['user.invented' as never] }))).toBe(422);
      await webhooks.deleteWebhookEndpoint({ id: endpoint.id });
    }));

  test('Connect applications', () =>
    held(async () => {
      const { connect, organizations } = sdk;
      const { id: organizationId } = await organizations.createOrganization({ name: 'Connected' });
      const redirectUris = [{ uri: 'https://app.example/callback', default: true }];
      const own = await connect.createOAuthApplication('Own', true, 'Ours', ['openid'], redirectUris, true);
      await connect.createOAuthApplication('Partner', false, undefined, undefined, redirectUris, false, organizationId);
      const machine = await connect.createM2MApplication('Machine', organizationId);
      await connect.listApplications({ organizationId });
      await connect.getApplication({ id: own.clientId });
      await connect.updateApplication({ id: own.id, name: 'Ours', redirectUris });
      const secret = await connect.createApplicationClientSecret({ id: machine.id });
      await connect.listApplicationClientSecrets({ id: machine.id });
      expect(await refusal(connect.createOAuthApplication('Nobody’s', false))).toBe(422);
      await connect.deleteClientSecret({ id: secret.id });
      await connect.deleteApplication({ id: own.id });
    }));

  test('redirect URIs and CORS origins', () =>
    held(async () => {
      for (const [path, body, again] of [
        ['/user_management/redirect_uris', { uri: 'https://console.example/callback' }, 422],
        ['/user_management/cors_origins', { origin: 'https://console.example' }, 409],
      ] as const) {
        expect((await call('POST', path, body)).status).toBe(201);
        expect((await call('POST', path, body)).status).toBe(again);
      }
      expect((await call('POST', '/user_management/redirect_uris', { uri: 'nowhere' })).status).toBe(400);
    }));

  test('events, every kind that the rest of this has caused', () =>
    held(async () => {
      const { events } = sdk;
      let after: string | undefined;
      const kinds = new Set<string>();
      do {
        const response = await call('GET', `/events?limit=100&order=asc${after === undefined ? '' : `&after=${after}`}`);
        const page = (await response.json()) as { data: { event: string }[]; list_metadata: { after: string | null } };
        for (const { event } of page.data) kinds.add(event);
        after = page.list_metadata.after ?? undefined;
      } while (after !== undefined);
      for (const kind of ['organization', 'organization_membership', 'user']) {
        for (const what of ['created', 'updated', 'deleted']) expect([...kinds]).toContain(`${kind}.${what}`);
      }
      for (const kind of ['invitation.accepted', 'invitation.revoked', 'role.updated', 'permission.deleted', 'session.created']) {
        expect([...kinds]).toContain(kind);
      }
      const all = await events.listEvents({ events: [...kinds] as EventName[], limit: 100 });
      expect(new Set(all.data.map(({ event }) => event))).toEqual(kinds);
      const since = { rangeStart: new Date(Date.now() - 60_000).toISOString() };
      await events.listEvents({ events: ['user.created', 'user.deleted'], organizationId: 'org_01NONE', ...since });
      expect(await refusal(events.listEvents({ events: ['user.created'], rangeStart: 'yesterday' }))).toBe(400);
    }));
});

interface Device {
  readonly device_code: string;
  readonly verification_uri_complete: string;
}

describe('every route that the document describes', () => {
  const described = () => [...new Set(workos.routes().flatMap((route) => document.operationOf(route) ?? []))];

  test('was called with success', () => {
    const called = new Set(
      exchanges.filter(({ status }) => status < 400).map(({ method, url }) => document.operationFor(method, url.pathname)),
    );
    expect(described().filter((operation) => !called.has(operation))).toEqual([]);
    expect(described().length).toBeGreaterThan(50);
  });

  test('answers 404 as the document has it for what does not exist', () =>
    held(async () => {
      for (const operation of described()) {
        const [method = '', path = ''] = operation.split(' ');
        if (!path.includes('{') || !document.statuses(operation).includes('404')) continue;
        const body = bodies[operation] ?? (method === 'GET' || method === 'DELETE' ? undefined : {});
        const { status } = await call(method, path.replaceAll(/\{\w+\}/g, 'unknown_01NONE'), body);
        expect(status, operation).toBe(404);
      }
    }));

  test('refuses a body without what it needs as the document has it', () =>
    held(async () => {
      for (const operation of described()) {
        const [method = '', path = ''] = operation.split(' ');
        if (!document.statuses(operation).some((status) => ['400', '422'].includes(status)) || method === 'GET') continue;
        if (path.includes('{') || !document.needsBody(operation)) continue;
        const { status } = await call(method, path, {});
        expect([400, 422], operation).toContain(status);
      }
    }));
});

/** What a route needs in its body before it looks for the object. */
const bodies: Readonly<Record<string, object>> = {
  'PUT /authorization/roles/{slug}/permissions': { permissions: [] },
  'POST /authorization/roles/{slug}/permissions': { slug: 'audit:read' },
};

test('every other route is named, with a date, in the notes', async () => {
  const notes = await readFile(resolve(import.meta.dirname, '../../../../docs/workos-notes.md'), 'utf8');
  const dated = notes.split(/^## /m).filter((section) => /\b20\d\d-\d\d-\d\d\b/.test(section));
  const others = workos.routes().filter((route) => !document.describes(route));
  expect(others.length).toBeGreaterThan(0);
  const unnamed = others.filter((route) => {
    const name = `\`${route.replaceAll(/:(\w+)/g, '{$1}')}\``;
    return !dated.some((section) => section.includes(name));
  });
  expect(unnamed).toEqual([]);
});
