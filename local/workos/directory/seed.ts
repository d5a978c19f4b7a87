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

/** Initial permissions and roles of an environment. */
export interface EnvironmentSeed {
  readonly permissions: readonly PermissionSeed[];
  readonly roles: readonly RoleSeed[];
}

/** The two roles and the widget permissions that WorkOS creates in a new environment. */
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

/** Initial state for local mode and tests, equal to the result of `tenantry workos setup`. test/unit/permissions.test.ts checks this. */
export const tenantrySeed: EnvironmentSeed = {
  permissions: tenantryPermissions,
  roles: [
    { slug: 'platform-admin', name: 'Platform admin', permissions: tenantryPermissions.map(({ slug }) => slug) },
    { slug: 'platform-viewer', name: 'Platform viewer', permissions: ['tenants:read', 'audit:read'] },
    { slug: 'tenant-admin', name: 'Tenant admin', permissions: ['tenants:read', 'tenants:write', 'tenants:rotate', 'audit:read'] },
    { slug: 'viewer', name: 'Viewer', permissions: [] },
  ],
};
