import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { adminRole } from '../../../../control-plane/authorization/organization.ts';
import { permissions } from '../../../../control-plane/identity/permissions.ts';
import { neededPermissions, neededRoles } from '../../../../control-plane/workos-setup/needs.ts';
import { tenantrySeed, workosSeed } from '../../../../local/workos/directory/seed.ts';

const read = (path: string): string => readFileSync(join(import.meta.dirname, '../../../..', path), 'utf8');
const bySlug = <T extends { readonly slug: string }>(list: readonly T[]): T[] => list.toSorted((a, b) => (a.slug < b.slug ? -1 : 1));

describe('permissions and roles are the same everywhere', () => {
  test('setup creates exactly the permissions of the Admin API', () => {
    const required = [...read('control-plane/openapi.json').matchAll(/"session": \[\s*"([^"]+)"/g)].map(([, slug]) => slug);
    expect(neededPermissions.map(({ slug }) => slug).toSorted()).toEqual([...new Set(required)].toSorted());
  });

  test('the stand-in starts with the roles of setup and of WorkOS', () => {
    expect(tenantrySeed.permissions).toEqual(neededPermissions);
    const own = workosSeed.roles.filter(({ slug }) => neededRoles.some((role) => role.slug === slug));
    expect(bySlug([...own, ...tenantrySeed.roles])).toEqual(bySlug(neededRoles));
  });

  test("a tenant's first administrator gets a role that setup creates", () => {
    expect(neededRoles.map(({ slug }) => slug)).toContain(adminRole);
  });

  test('the guide and the reference list all of them', () => {
    const guide = read('docs/guides/workos.md');
    for (const { slug, permissions: granted } of neededRoles) {
      const [, cell = ''] = new RegExp(`^\\| \`${slug}\` \\| ([^|]*) \\|`, 'm').exec(guide) ?? [];
      const all = granted.length === permissions.length && cell.includes('all');
      if (!all)
        expect(
          [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
          slug,
        ).toEqual(granted);
    }
    for (const { slug } of permissions) {
      expect(guide).toContain(`\`${slug}\``);
      expect(read('docs/reference/admin-api.md')).toMatch(new RegExp(`^\\| \`${slug}\` \\|`, 'm'));
    }
  });
});
