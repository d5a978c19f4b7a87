import type { Tenant } from '../../crds/tenant.ts';
import { type IdentityProvider, type Organization, ProviderUnavailable } from '../identity/provider.ts';
import { isRefusal } from '../identity/workos-connection.ts';
import { marksOf, type OrganizationOwner, ownerOf, ownershipOf, precedes } from './ownership.ts';
import type { Invitee, MadeOrganization } from './plan.ts';

/** Role of a tenant's first administrator. */
export const adminRole = 'tenant-admin';

/** The parts of a pass that concern organizations. */
export interface OrganizationContext {
  readonly provider: IdentityProvider;
  /** Called before each change at WorkOS. An error that it throws ends the pass. */
  readonly beforeChange: () => void;
  /** Organization whose members administer the platform. It never belongs to a tenant. */
  readonly platformOrganizationId: string;
  /** Base URL of the installation. */
  readonly installation: string;
  /** All known tenants. */
  readonly tenants: () => readonly Tenant[];
}

/** The organization must not belong to this tenant. Nothing has been made in it. The message has the remedy. */
export class OrganizationTaken extends Error {}

/** WorkOS refused the invitation; the rest of the pass succeeded. */
export class InvitationRefused extends ProviderUnavailable {}

/**
 * Creates the organization of `spec.organization` with marks for this tenant, or finds the one that an earlier pass has created. An existing
 * organization is used only if its marks name this tenant. Otherwise anybody could get another organization's members by its external id.
 *
 * @returns its identifier. @throws OrganizationTaken, ProviderUnavailable
 */
export async function ensureOrganization(
  tenant: Tenant,
  wanted: { name: string; externalId: string },
  context: OrganizationContext,
): Promise<string> {
  const { name, externalId } = wanted;
  const { provider } = context;
  if (hasOlderClaimant(tenant, externalId, context.tenants())) throw taken(tenant, externalId);
  const owner = ownerOf(tenant, context.installation);
  const found = (await provider.findOrganization(externalId)) ?? (await create());
  await claim(tenant, found, owner, context);
  return found.id;

  async function create(): Promise<Organization> {
    context.beforeChange();
    const created = await provider.createOrganization({ name, externalId, metadata: marksOf(owner) });
    // An organization with this external id was created in between.
    const made = created ?? (await provider.findOrganization(externalId));
    if (made === undefined) throw new ProviderUnavailable('creating an organization', 409);
    return made;
  }
}

/** @throws OrganizationTaken for the platform's own organization. */
export function refusePlatform(
  organizationId: string,
  { platformOrganizationId }: Pick<OrganizationContext, 'platformOrganizationId'>,
): void {
  if (organizationId !== platformOrganizationId) return;
  throw new OrganizationTaken(
    'The organization belongs to the platform, and its members administer every tenant. Create the tenant again with another organization.',
  );
}

/**
 * Makes sure that the organization that `invitee` will be invited to belongs to this tenant.
 * @returns false when the tenant uses another organization than the one created for it. Then nobody is invited.
 * @throws OrganizationTaken, ProviderUnavailable
 */
export async function mayInvite(
  tenant: Tenant,
  { externalId }: Invitee,
  organizationId: string,
  context: OrganizationContext,
): Promise<boolean> {
  const found = await context.provider.findOrganization(externalId);
  if (found?.id !== organizationId) return false;
  await claim(tenant, found, ownerOf(tenant, context.installation), context);
  return true;
}

/** Invites the first administrator. @throws InvitationRefused, ProviderUnavailable */
export async function invite({ email }: Invitee, id: string, { provider, beforeChange }: OrganizationContext): Promise<MadeOrganization> {
  beforeChange();
  try {
    return { id, invitationId: await provider.ensureInvitation(email, id, adminRole) };
  } catch (error) {
    if (isRefusal(error)) throw new InvitationRefused('sending an invitation', error.status, { cause: error });
    throw error;
  }
}

/** Marks an organization that this tenant's status records. Earlier versions created organizations without marks. */
export async function markOlder(tenant: Tenant, found: Organization, context: OrganizationContext): Promise<void> {
  const { organization } = tenant.spec;
  const recorded = tenant.status?.authorization?.organization?.id;
  if (organization === undefined || recorded !== found.id || organization.externalId !== found.externalId) return;
  const owner = ownerOf(tenant, context.installation);
  if (ownershipOf(found.metadata, owner) === 'unmarked') await mark(found, owner, context);
}

async function claim(tenant: Tenant, found: Organization, owner: OrganizationOwner, context: OrganizationContext): Promise<void> {
  refusePlatform(found.id, context);
  const ownership = ownershipOf(found.metadata, owner);
  if (ownership === 'own') return;
  if (ownership !== 'free') throw taken(tenant, found.externalId ?? '');
  await mark(found, owner, context);
}

async function mark(
  { id, metadata }: Organization,
  owner: OrganizationOwner,
  { provider, beforeChange }: OrganizationContext,
): Promise<void> {
  beforeChange();
  await provider.setMetadata(id, { ...metadata, ...marksOf(owner) });
}

/** Whether another tenant requests the same new organization and precedes this one. */
function hasOlderClaimant(tenant: Tenant, externalId: string, all: readonly Tenant[]): boolean {
  return all.some(
    (other) =>
      other.metadata.uid !== tenant.metadata.uid &&
      other.metadata.deletionTimestamp === undefined &&
      other.spec.organizationId === undefined &&
      other.spec.organization?.externalId === externalId &&
      precedes(other, tenant),
  );
}

function taken({ metadata: { name } }: Tenant, externalId: string): OrganizationTaken {
  return new OrganizationTaken(
    `The organization with external id ${externalId} was not created for this tenant. Create the tenant again with another external id. Or, ` +
      `to give the tenant that organization, set tenantry_tenant to ${name} in the organization's metadata at WorkOS and remove tenantry_tenant_uid there.`,
  );
}
