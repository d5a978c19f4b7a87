import { type Permission, permissions } from '../identity/permissions.ts';
import { mirroredEvents } from '../memberships/provider-events.ts';

/** A permission of administrators at WorkOS. */
export interface NeededPermission {
  readonly slug: Permission;
  readonly name: string;
}

export interface NeededRole {
  readonly slug: string;
  readonly name: string;
  readonly permissions: readonly Permission[];
}

/** Permissions and roles that Tenantry needs in a WorkOS environment. docs/guides/workos.md has them as a table. */
export const neededPermissions: readonly NeededPermission[] = permissions.map(({ slug, name }) => ({ slug, name }));

export const neededRoles: readonly NeededRole[] = [
  { slug: 'platform-admin', name: 'Platform admin', permissions: neededPermissions.map(({ slug }) => slug) },
  { slug: 'platform-viewer', name: 'Platform viewer', permissions: ['tenants:read', 'audit:read'] },
  { slug: 'tenant-admin', name: 'Tenant admin', permissions: ['tenants:read', 'tenants:write', 'tenants:rotate', 'audit:read'] },
  { slug: 'member', name: 'Member', permissions: [] },
  { slug: 'viewer', name: 'Viewer', permissions: [] },
];

/** Events of the webhook endpoint. */
export const neededEvents: readonly string[] = mirroredEvents;
