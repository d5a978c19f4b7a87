import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type EventName, WorkOS } from '@workos-inc/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startWorkos, type WorkosStandIn } from '../../../../local/workos/start.ts';
import { approveDevice } from '../../../approve-device.ts';
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

const person = (email: string) => sdk.userManagement.createUser({ email, password, firstName: 'Ann', emailVerified: true });

describe('requests and answers are as the published document has them', () => {
  test('organizations', () =>
    held(async () => {
      const { organizations } = sdk;
      const created = await organizations.createOrganization({
        name: 'Acme',
        externalId: 'acme',
        metadata: { tier: 'gold' },
      });
      await organizations.listOrganizations({ limit: 1, order: 'asc' });
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
      await userManagement.createUser({ email: 'user@example.com', password, firstName: 'Ann', emailVerified: true });
      expect(await refusal(userManagement.createUser({ email: 'user@example.com' }))).toBe(400);
      expect(await refusal(userManagement.createUser({ email: 'weak@example.com', password: 'weak' }))).toBe(400);
      workos.deleteUser((await person('leaving@example.com')).id);
    }));

  test('memberships', () =>
    held(async () => {
      const { userManagement, organizations } = sdk;
      const { id: organizationId } = await organizations.createOrganization({ name: 'Members' });
      const { id: userId } = await person('member@example.com');
      const created = await userManagement.createOrganizationMembership({ organizationId, userId, roleSlug: 'viewer' });
      await userManagement.listOrganizationMemberships({ organizationId, statuses: ['active', 'inactive'] });
      await userManagement.updateOrganizationMembership(created.id, { roleSlug: 'admin' });
      expect(await refusal(userManagement.updateOrganizationMembership(created.id, { roleSlug: 'emperor' }))).toBe(422);
      expect((await call('GET', '/user_management/organization_memberships')).status).toBe(400);
      expect(await refusal(userManagement.createOrganizationMembership({ organizationId, userId, roleSlug: 'emperor' }))).toBe(422);
      expect(await refusal(userManagement.createOrganizationMembership({ organizationId: 'org_01NONE', userId }))).toBe(404);
      const invited = await person('pending@example.com');
      await userManagement.sendInvitation({ email: invited.email, organizationId });
      expect(await refusal(userManagement.createOrganizationMembership({ organizationId, userId: invited.id }))).toBe(400);
      await userManagement.deleteOrganizationMembership(created.id);
    }));

  test('invitations', () =>
    held(async () => {
      const { userManagement, organizations } = sdk;
      const { id: organizationId } = await organizations.createOrganization({ name: 'Inviting' });
      const user = await person('invited@example.com');
      await userManagement.sendInvitation({
        email: user.email,
        organizationId,
        expiresInDays: 3,
        roleSlug: 'viewer',
        inviterUserId: (await person('inviter@example.com')).id,
      });
      await userManagement.listInvitations({ email: user.email, organizationId });
      for (const again of [
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
      expect(await refusal(userManagement.revokeInvitation(other.id))).toBe(400);
    }));

  test('sessions', () =>
    held(async () => {
      const { userManagement, organizations } = sdk;
      const { clientId } = workos;
      const { id: userId, email } = await person('session@example.com');
      const { id: organizationId } = await organizations.createOrganization({ name: 'One' });
      await userManagement.createOrganizationMembership({ organizationId, userId });
      const session = await userManagement.authenticateWithPassword({ clientId, email, password });
      await userManagement.authenticateWithRefreshToken({ clientId, refreshToken: session.refreshToken, organizationId });
      await expect(userManagement.authenticateWithRefreshToken({ clientId, refreshToken: session.refreshToken })).rejects.toThrow();
      expect(await refusal(userManagement.authenticateWithPassword({ clientId, email, password: 'wrong' }))).toBe(400);

      const begin = async () => (await (await call('POST', '/user_management/authorize/device', { client_id: clientId })).json()) as Device;
      const grant = { client_id: clientId, grant_type: 'urn:ietf:params:oauth:grant-type:device_code' };
      const device = await begin();
      const ask = async ({ device_code }: Device) =>
        (await call('POST', '/user_management/authenticate', { ...grant, device_code })).status;
      expect(await ask(device)).toBe(400);
      await approveDevice(device.verification_uri_complete, { email, password });
      expect(await ask(device)).toBe(200);
      const denied = await begin();
      await approveDevice(denied.verification_uri_complete, { email, password, decision: 'deny' });
      expect(await ask(denied)).toBe(400);
      expect((await call('POST', '/user_management/authorize/device', { client_id: 'client_other' })).status).toBe(400);
      expect((await call('GET', `/sso/jwks/${clientId}`)).status).toBe(200);
    }));

  test('roles and permissions', () =>
    held(async () => {
      const { authorization } = sdk;
      await authorization.createPermission({ slug: 'reports:read', name: 'Read reports', description: 'All of them' });
      await authorization.listPermissions({ limit: 2, order: 'asc' });
      await authorization.createEnvironmentRole({ slug: 'reporter', name: 'Reporter' });
      await authorization.listEnvironmentRoles();
      await authorization.addEnvironmentRolePermission('reporter', { permissionSlug: 'reports:read' });
      await authorization.setEnvironmentRolePermissions('reporter', { permissions: ['audit:read'] });
      expect(await refusal(authorization.createPermission({ slug: 'reports:read', name: 'Again' }))).toBe(409);
      expect(await refusal(authorization.createPermission({ slug: 'Reports', name: 'Capital' }))).toBe(422);
      expect(await refusal(authorization.createEnvironmentRole({ slug: 'reporter', name: 'Again' }))).toBe(409);
      expect(await refusal(authorization.setEnvironmentRolePermissions('reporter', { permissions: ['no:such'] }))).toBe(404);
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
    }));

  test('Connect applications', () =>
    held(async () => {
      const { connect, organizations } = sdk;
      const { id: organizationId } = await organizations.createOrganization({ name: 'Connected' });
      const machine = await connect.createM2MApplication('Machine', organizationId, 'Calls tools', ['mcp:read']);
      await connect.createApplicationClientSecret({ id: machine.id });
    }));

  test('redirect URIs', () =>
    held(async () => {
      const path = '/user_management/redirect_uris';
      expect((await call('POST', path, { uri: 'https://console.example/callback' })).status).toBe(201);
      expect((await call('POST', path, { uri: 'https://console.example/callback' })).status).toBe(422);
      expect((await call('POST', path, { uri: 'nowhere' })).status).toBe(400);
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
      for (const kind of ['organization', 'organization_membership']) {
        for (const change of ['created', 'updated', 'deleted']) expect([...kinds]).toContain(`${kind}.${change}`);
      }
      for (const kind of ['user.created', 'user.deleted']) expect([...kinds]).toContain(kind);
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
    expect(described().length).toBeGreaterThan(25);
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
