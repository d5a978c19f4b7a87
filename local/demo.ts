import type { WorkosStandIn } from './workos/start.ts';
import type { Organization } from './workos/state/records.ts';

/** The organization whose members are administrators of the platform. */
export function platformOrganization(workos: WorkosStandIn): Organization {
  return workos.findOrganization('platform') ?? workos.createOrganization({ name: 'Tenantry', externalId: 'platform' });
}

/** Password of every demo account of the stand-in, which listens on loopback only. */
export const demoPassword = 'tenantry';

export interface DemoTenant {
  readonly name: string;
  readonly displayName: string;
  readonly organization: string;
  readonly email: string;
  /** Role of the account in the organization. */
  readonly role: string;
}

/** The two tenants of local mode. They belong to two organizations, so that the tour can show one refusing the other's token. */
export const demoTenants: readonly DemoTenant[] = [
  { name: 'acme', displayName: 'Acme', organization: 'Acme Inc.', email: 'ada@acme.example', role: 'tenant-admin' },
  { name: 'globex', displayName: 'Globex', organization: 'Globex Corporation', email: 'grace@globex.example', role: 'member' },
];

/** Accounts of the platform: an administrator, and a user with read-only access. */
const adminEmail = 'admin@tenantry.example';
const viewer = { email: 'vera@acme.example', tenant: 'acme' } as const;

export interface Demo {
  /** AuthKit session token of an administrator of the platform; valid for a week. */
  readonly adminToken: string;
  readonly organizationIds: Readonly<Record<string, string>>;
}

/** Creates the demo organizations, accounts and memberships that do not exist yet. */
export async function seed(workos: WorkosStandIn): Promise<Demo> {
  const organizationIds: Record<string, string> = {};
  const member = async (
    email: string,
    externalId: string,
    name: string,
    roleSlug: string,
  ): Promise<{ userId: string; organizationId: string }> => {
    const organization = workos.findOrganization(externalId) ?? workos.createOrganization({ name, externalId });
    const user = workos.findUser(email) ?? (await workos.createUser({ email, password: demoPassword }));
    const known = workos.memberships({ userId: user.id, organizationId: organization.id });
    if (known.length === 0) workos.createMembership({ userId: user.id, organizationId: organization.id, roleSlug });
    return { userId: user.id, organizationId: organization.id };
  };
  const admin = await member(adminEmail, 'platform', 'Tenantry', 'platform-admin');
  for (const tenant of demoTenants) {
    const { organizationId } = await member(tenant.email, `demo-${tenant.name}`, tenant.organization, tenant.role);
    organizationIds[tenant.name] = organizationId;
    if (tenant.name === viewer.tenant) await member(viewer.email, `demo-${tenant.name}`, tenant.organization, 'viewer');
  }
  workos.showAccounts([
    ...demoTenants.map(({ email, organization, role }) => ({ email, password: demoPassword, note: `${role} of ${organization}` })),
    { email: viewer.email, password: demoPassword, note: `viewer of ${viewer.tenant}: tools that read` },
    { email: adminEmail, password: demoPassword, note: 'administrator of the platform' },
  ]);
  const adminToken = await workos.adminToken({
    ...admin,
    permissions: workos.roles().find(({ slug }) => slug === 'platform-admin')?.permissions ?? [],
    role: 'platform-admin',
    expiresIn: 7 * 24 * 3600,
  });
  return { adminToken, organizationIds };
}
