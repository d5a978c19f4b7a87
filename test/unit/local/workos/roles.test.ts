import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

  test('has nothing of Tenantry where it is as WorkOS hands it out', async () => {
    await using bare = await startEnvironment({ seed: { permissions: [], roles: [] } });
    expect(slugs((await bare.sdk.authorization.listEnvironmentRoles()).data)).toEqual(['admin', 'member']);
    const { data } = await bare.sdk.authorization.listPermissions();
    expect(data.every(({ system }) => system)).toBe(true);
  });

  test('kept by a version that knew no roles gets them', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'workos-'));
    try {
      const first = await startEnvironment({ dir });
      const organization = first.workos.createOrganization({ name: 'Old' });
      await first[Symbol.asyncDispose]();
      const file = join(dir, 'environment.json');
      const { roles: _roles, definedPermissions: _permissions, ...old } = JSON.parse(readFileSync(file, 'utf8'));
      writeFileSync(file, JSON.stringify(old));
      await using second = await startEnvironment({ dir });
      expect((await second.sdk.organizations.getOrganization(organization.id)).name).toBe('Old');
      expect(slugs(second.workos.roles())).toContain('platform-admin');
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('permissions', () => {
  test('are created, found, changed and deleted, and leave their roles', async () => {
    const { authorization } = environment.sdk;
    const created = await authorization.createPermission({ slug: 'reports:read', name: 'Read reports' });
    expect(created).toMatchObject({ slug: 'reports:read', description: null, system: false });
    await authorization.createEnvironmentRole({ slug: 'reporter', name: 'Reporter' });
    await authorization.addEnvironmentRolePermission('reporter', { permissionSlug: 'reports:read' });
    expect((await authorization.updatePermission('reports:read', { name: 'See reports' })).name).toBe('See reports');
    await authorization.deletePermission('reports:read');
    await expect(authorization.getPermission('reports:read')).rejects.toMatchObject({ status: 404 });
    expect((await authorization.getEnvironmentRole('reporter')).permissions).toEqual([]);
  });

  test('of WorkOS itself stay', async () => {
    await expect(environment.sdk.authorization.deletePermission('widgets:sso:manage')).rejects.toMatchObject({ status: 403 });
  });

  test.each([
    ['Capital', 422],
    ['tenants:read', 409],
  ])('%s is refused as a new slug with %i', async (slug, status) => {
    await expect(environment.sdk.authorization.createPermission({ slug, name: slug })).rejects.toMatchObject({ status });
  });
});

describe('roles', () => {
  test('are created with what they may do, and a slug belongs to one', async () => {
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

  test('of a membership decide what its next session token says', async () => {
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
    await sdk.userManagement.updateOrganizationMembership(membership.id, { roleSlug: 'platform-viewer' });
    expect(await session()).toMatchObject({ role: 'platform-viewer', permissions: ['tenants:read', 'audit:read'] });
    await sdk.authorization.setEnvironmentRolePermissions('platform-viewer', { permissions: ['tenants:read'] });
    expect(await session()).toMatchObject({ permissions: ['tenants:read'] });
  });
});
