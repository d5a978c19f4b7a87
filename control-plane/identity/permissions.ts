/** Permissions of administrators at WorkOS. Setup makes them with their names, and the Admin API's introduction lists what they allow. */
export const permissions = [
  { slug: 'tenants:read', name: 'Read tenants', allows: 'reading tenants, their domains, services, API keys, connections, and templates' },
  {
    slug: 'tenants:write',
    name: 'Create and change tenants',
    allows: 'creating, changing, suspending and resuming tenants; their services, domains and API keys',
  },
  { slug: 'tenants:delete', name: 'Delete tenants', allows: 'deleting tenants' },
  { slug: 'tenants:rotate', name: 'Rotate secrets of tenants', allows: 'replacing their secrets' },
  { slug: 'audit:read', name: 'Read the audit', allows: 'reading, verifying and exporting audit records' },
  { slug: 'templates:write', name: 'Apply templates', allows: 'applying templates' },
] as const;

export type Permission = (typeof permissions)[number]['slug'];
