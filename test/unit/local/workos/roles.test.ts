import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimsOf, startEnvironment, type TestEnvironment } from './environment.ts';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await startEnvironment();
});

afterAll(() => environment[Symbol.asyncDispose]());

const slugs = (list: readonly { slug: string }[]) => list.map(({ slug }) => slug);

describe('a new environment', () => {
  test("has WorkOS's own roles, then Tenantry's", async () => {
    const { data } = await environment.sdk.authorization.listEnvironmentRoles();
    expect(slugs(data)).toEqual(['admin', 'member', 'platform-admin', 'platform-viewer', 'tenant-admin', 'viewer']);
    expect(data.find(({ slug }) => slug === 'tenant-admin')?.permissions).toEqual([
      'tenants:read',
      'tenants:write',
      'tenants:rotate',
      'audit:read',
    ]);
  });

  test('has nothing of Tenantry when it is as WorkOS creates it', async () => {
    await using bare = await startEnvironment({ seed: { permissions: [], roles: [] } });
    expect(slugs((await bare.sdk.authorization.listEnvironmentRoles()).data)).toEqual(['admin', 'member']);
    const { data } = await bare.sdk.authorization.listPermissions();
    expect(data.every(({ system }) => system)).toBe(true);
  });
});

describe('permissions', () => {
  test('are created, and added to a role', async () => {
    const { authorization } = environment.sdk;
    const created = await authorization.createPermission({ slug: 'reports:read', name: 'Read reports' });
    expect(created).toMatchObject({ slug: 'reports:read', description: null, system: false });
    await authorization.createEnvironmentRole({ slug: 'reporter', name: 'Reporter' });
    const role = await authorization.addEnvironmentRolePermission('reporter', { permissionSlug: 'reports:read' });
    expect(role.permissions).toEqual(['reports:read']);
  });

  test.each([
    ['Capital', 422],
    ['tenants:read', 409],
  ])('%s is refused as a new slug with %i', async (slug, status) => {
    await expect(environment.sdk.authorization.createPermission({ slug, name: slug })).rejects.toMatchObject({ status });
  });
});

describe('roles', () => {
  test('are created with their permissions, and a slug belongs to one', async () => {
    const { authorization } = environment.sdk;
    const role = await authorization.createEnvironmentRole({ slug: 'auditor', name: 'Auditor', description: 'Reads' });
    expect(role).toMatchObject({ slug: 'auditor', description: 'Reads', permissions: [], type: 'EnvironmentRole' });
    expect((await authorization.setEnvironmentRolePermissions('auditor', { permissions: ['audit:read'] })).permissions).toEqual([
      'audit:read',
    ]);
    await expect(authorization.createEnvironmentRole({ slug: 'auditor', name: 'Again' })).rejects.toMatchObject({ status: 409 });
    await expect(authorization.setEnvironmentRolePermissions('auditor', { permissions: ['no:such'] })).rejects.toMatchObject({
      status: 404,
    });
  });

  test('of a membership decide the permissions of its next session token', async () => {
    const { sdk, workos } = environment;
    const organization = await sdk.organizations.createOrganization({ name: 'Changing' });
    const user = await sdk.userManagement.createUser({ email: 'changing@example.com', password: 'a password' });
    const membership = await sdk.userManagement.createOrganizationMembership({ organizationId: organization.id, userId: user.id });
    const session = async () =>
      claimsOf(
        (await sdk.userManagement.authenticateWithPassword({ clientId: workos.clientId, email: user.email, password: 'a password' }))
          .accessToken,
      );
    expect(await session()).toMatchObject({ role: 'member', roles: ['member'], permissions: [] });
    workos.setRole(membership.id, 'platform-viewer');
    expect(await session()).toMatchObject({ role: 'platform-viewer', permissions: ['tenants:read', 'audit:read'] });
    await sdk.authorization.setEnvironmentRolePermissions('platform-viewer', { permissions: ['tenants:read'] });
    expect(await session()).toMatchObject({ permissions: ['tenants:read'] });
  });
});
