/** Permissions of an administrator of the platform. */
export const tenantPermissions = ['tenants:read', 'tenants:write', 'tenants:delete', 'tenants:rotate'] as const;

/** Roles of the environment, by slug, and what each may do; at WorkOS they are configured in the dashboard. */
export const roles: Readonly<Record<string, readonly string[]>> = {
  'platform-admin': tenantPermissions,
  'platform-viewer': ['tenants:read'],
  admin: [],
  member: [],
};
