export interface RoleSeed {
  readonly slug: string;
  readonly name: string;
  readonly permissions: readonly string[];
}

export interface PermissionSeed {
  readonly slug: string;
  readonly name: string;
  readonly system?: boolean;
}

/** Permissions and roles that an environment begins with. */
export interface EnvironmentSeed {
  readonly permissions: readonly PermissionSeed[];
  readonly roles: readonly RoleSeed[];
}

/** The two roles, and the permissions of its widgets, that WorkOS itself puts into a new environment. */
export const workosSeed: EnvironmentSeed = {
  permissions: [
    { slug: 'widgets:users-table:manage', name: 'Manage the users table widget', system: true },
    { slug: 'widgets:sso:manage', name: 'Manage the SSO widget', system: true },
    { slug: 'widgets:domain-verification:manage', name: 'Manage the domain verification widget', system: true },
    { slug: 'widgets:api-keys:manage', name: 'Manage the API keys widget', system: true },
  ],
  roles: [
    {
      slug: 'admin',
      name: 'Admin',
      permissions: ['widgets:users-table:manage', 'widgets:sso:manage', 'widgets:domain-verification:manage', 'widgets:api-keys:manage'],
    },
    { slug: 'member', name: 'Member', permissions: [] },
  ],
};

const tenantryPermissions = [
  { slug: 'tenants:read', name: 'Read tenants' },
  { slug: 'tenants:write', name: 'Create and change tenants' },
  { slug: 'tenants:delete', name: 'Delete tenants' },
  { slug: 'tenants:rotate', name: 'Rotate secrets of tenants' },
  { slug: 'audit:read', name: 'Read the audit' },
  { slug: 'templates:write', name: 'Apply templates' },
];

/** What `tenantry workos setup` makes in an environment, as test/unit/permissions.test.ts holds, so that local mode and tests begin with it. */
export const tenantrySeed: EnvironmentSeed = {
  permissions: tenantryPermissions,
  roles: [
    { slug: 'platform-admin', name: 'Platform admin', permissions: tenantryPermissions.map(({ slug }) => slug) },
    { slug: 'platform-viewer', name: 'Platform viewer', permissions: ['tenants:read', 'audit:read'] },
    { slug: 'tenant-admin', name: 'Tenant admin', permissions: ['tenants:read', 'tenants:write', 'tenants:rotate', 'audit:read'] },
    { slug: 'viewer', name: 'Viewer', permissions: [] },
  ],
};
