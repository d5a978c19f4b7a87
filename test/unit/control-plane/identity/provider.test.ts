import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IdentityProvider, notNeeded, ProviderUnavailable } from '../../../../control-plane/identity/provider.ts';
import { WorkosConnection } from '../../../../control-plane/identity/workos-connection.ts';
import { startEnvironment, type TestEnvironment } from '../../local/workos/environment.ts';
import { startAnswering } from './answering.ts';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await startEnvironment();
});

afterAll(() => environment[Symbol.asyncDispose]());

function provider(): IdentityProvider {
  const { apiKey, clientId, apiUrl } = environment.workos;
  return new IdentityProvider(new WorkosConnection({ apiKey, clientId, apiUrl }));
}

/** Requests to WorkOS that `work` makes, by route. */
async function requestsOf(route: string, work: () => Promise<unknown>): Promise<number> {
  const before = environment.workos.requests()[route] ?? 0;
  await work();
  return (environment.workos.requests()[route] ?? 0) - before;
}

const create = (name: string, externalId?: string) =>
  environment.workos.createOrganization({ name, ...(externalId === undefined ? {} : { externalId }) });

describe('an organization', () => {
  test('is read once and cached until it is forgotten', async () => {
    const { id } = create('Cached');
    const one = provider();
    expect(await one.organization(id)).toEqual({ id, externalId: undefined, metadata: {} });
    expect(await requestsOf('GET /organizations/:id', () => one.organization(id))).toBe(0);
    one.forgetOrganization(id);
    expect(await requestsOf('GET /organizations/:id', () => one.organization(id))).toBe(1);
  });

  test('that does not exist is looked up each time', async () => {
    const one = provider();
    expect(await one.organization('org_none')).toBeUndefined();
    expect(await requestsOf('GET /organizations/:id', () => one.organization('org_none'))).toBe(1);
  });

  test('is found by its external id', async () => {
    const { id } = create('Found', 'ext-found');
    expect(await provider().findOrganization('ext-found')).toMatchObject({ id, externalId: 'ext-found' });
    expect(await provider().findOrganization('ext-none')).toBeUndefined();
  });

  test('is created unless its external id is taken', async () => {
    const wanted = { name: 'Created', externalId: 'ext-created', metadata: { tenant: 'acme' } };
    expect(await provider().createOrganization(wanted)).toMatchObject({ externalId: 'ext-created', metadata: { tenant: 'acme' } });
    expect(await provider().createOrganization(wanted)).toBeUndefined();
    await expect(provider().createOrganization({ ...wanted, name: '', externalId: 'ext-other' })).rejects.toMatchObject({ status: 422 });
  });

  test('is read again after its metadata was set', async () => {
    const { id } = create('Marked');
    const one = provider();
    await one.organization(id);
    await one.setMetadata(id, { tenant: 'acme' });
    expect(await one.organization(id)).toMatchObject({ metadata: { tenant: 'acme' } });
  });

  test('of any page is listed and then cached', async () => {
    await using workos = await startAnswering(({ url }) => ({
      status: 200,
      body: url?.includes('after=org_1')
        ? { data: [{ id: 'org_2', domains: [], metadata: {} }], list_metadata: { after: null } }
        : { data: [{ id: 'org_1', domains: [], metadata: {} }], list_metadata: { after: 'org_1' } },
    }));
    const one = new IdentityProvider(new WorkosConnection({ apiKey: 'sk_1', clientId: 'client_1', apiUrl: workos.url }));
    expect(await one.organizationIds()).toEqual(new Set(['org_1', 'org_2']));
    expect(workos.requests).toHaveLength(2);
    expect(workos.requests[0]).not.toContain('after');
    expect(await one.organization('org_2')).toMatchObject({ id: 'org_2' });
    expect(workos.requests).toHaveLength(2);
  });
});

describe('an invitation', () => {
  test('is sent once for each organization', async () => {
    const [first, second] = [create('Inviting'), create('Also inviting')];
    const one = provider();
    const invitation = await one.ensureInvitation('ann@example.com', first.id, 'tenant-admin');
    expect(await one.ensureInvitation('ann@example.com', first.id, 'tenant-admin')).toBe(invitation);
    expect(await one.ensureInvitation('ann@example.com', second.id, 'tenant-admin')).not.toBe(invitation);
    expect(environment.workos.invitations('ann@example.com')).toHaveLength(2);
  });

  test('is not needed for a member', async () => {
    const { id } = create('Joined');
    const user = await environment.workos.createUser({ email: 'bob@example.com', password: 'a good password' });
    environment.workos.createMembership({ userId: user.id, organizationId: id, roleSlug: 'tenant-admin' });
    expect(await provider().ensureInvitation('bob@example.com', id, 'tenant-admin')).toBe(notNeeded);
  });

  test('to an organization that does not exist fails', async () => {
    await expect(provider().ensureInvitation('ann@example.com', 'org_none', 'tenant-admin')).rejects.toBeInstanceOf(ProviderUnavailable);
  });
});

describe('an OAuth resource', () => {
  const uris = async () => (await provider().resources()).map(({ uri }) => uri);

  test('is registered once, and found when it is registered already', async () => {
    const created = await provider().registerResource('https://a.example/mcp');
    expect(created).toEqual({ id: expect.stringMatching(/^authkit_oauth_resource_/), uri: 'https://a.example/mcp' });
    expect(await provider().registerResource('https://a.example/mcp')).toEqual(created);
    expect(await uris()).toContain('https://a.example/mcp');
  });

  test('that WorkOS refuses cannot be registered', async () => {
    await expect(provider().registerResource('https://*.example/mcp')).rejects.toMatchObject({ status: 422 });
  });

  test('is removed, also when it is gone already', async () => {
    const { id } = await provider().registerResource('https://b.example/mcp');
    await provider().removeResource(id);
    expect(await uris()).not.toContain('https://b.example/mcp');
    await provider().removeResource(id);
  });

  test('of any page is listed', async () => {
    await using workos = await startAnswering(({ url }) => ({
      status: 200,
      body: url?.includes('after=r_1')
        ? { data: [{ id: 'r_2', uri: 'https://c.example/2' }], list_metadata: { after: null } }
        : { data: [{ id: 'r_1', uri: 'https://c.example/1' }], list_metadata: { after: 'r_1' } },
    }));
    const one = new IdentityProvider(new WorkosConnection({ apiKey: 'sk_1', clientId: 'client_1', apiUrl: workos.url }));
    expect((await one.resources()).map(({ id }) => id)).toEqual(['r_1', 'r_2']);
    expect(workos.requests.map((request) => request.includes('after='))).toEqual([false, true]);
    expect(workos.requests.every((request) => request.includes('limit=100'))).toBe(true);
  });

  test.each<[string, (one: IdentityProvider) => Promise<unknown>]>([
    ['registered', (one) => one.registerResource('https://d.example/mcp')],
    ['removed', (one) => one.removeResource('authkit_oauth_resource_1')],
  ])('is not %s while WorkOS is down', async (_name, work) => {
    await using down = await startAnswering(() => ({ status: 503 }));
    const one = new IdentityProvider(new WorkosConnection({ apiKey: 'sk_1', clientId: 'client_1', apiUrl: down.url }));
    await expect(work(one)).rejects.toMatchObject({ status: 503 });
  });
});
