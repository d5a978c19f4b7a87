import { finalizers } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { isNotFound } from '../../kube/errors.ts';
import { type IdentityProvider, ProviderUnavailable } from '../identity/provider.ts';
import { isRefusal } from '../identity/workos-connection.ts';
import { say, setFinalizers, setOrganization, type Writing } from './own-status.ts';
import { type Invitee, type MadeOrganization, type Plan, plan, type Registration, registrationsOf, urlsOf } from './plan.ts';

/** Milliseconds until what WorkOS refused is tried again: somebody may have put it right there. */
const refusedRetryMs = 60_000;

/** Role of a tenant's first administrator. */
export const adminRole = 'tenant-admin';

export interface Context extends Writing {
  readonly provider: IdentityProvider;
  /** Called before each change at WorkOS; what it throws ends the pass. */
  readonly beforeChange: () => void;
}

/**
 * One pass over one tenant: it has its organization, and its URLs are OAuth resources of the authorization server, or are none any more.
 * Any pass may be cut off anywhere: the next one finds what was made and finishes.
 *
 * @returns milliseconds after which to look again; undefined for when the tenant changes.
 * @throws ProviderUnavailable after saying so in the condition; KubeError.
 */
export async function reconcile(
  tenant: Tenant,
  lost: ReadonlySet<string>,
  context: Context,
  signal: AbortSignal,
): Promise<number | undefined> {
  const next = plan(tenant, lost);
  switch (next.kind) {
    case 'wait':
      return undefined;
    case 'claim':
      context.wrote(await setFinalizers(tenant, [...(tenant.metadata.finalizers ?? []), finalizers.authorization], context, signal));
      return 0;
    case 'unauthorized': {
      const nothing = { resources: [], organization: undefined };
      await say(tenant, { status: 'True', reason: 'NoOrganization', message: noOrganization }, nothing, context, signal);
      return undefined;
    }
    case 'organize':
      return organize(tenant, next, context, signal);
    case 'release':
      return release(tenant, context, signal);
    case 'register':
      return register(tenant, next, context, signal);
  }
}

const noOrganization = 'The tenant has no organization: API keys work, sign-in does not.';

/** Makes the organization, or finds the one an earlier pass has made, and sets its identifier. Who is invited comes later. */
async function organize(
  tenant: Tenant,
  { name, externalId }: Extract<Plan, { kind: 'organize' }>,
  context: Context,
  signal: AbortSignal,
): Promise<number> {
  const recorded = { resources: registrationsOf(tenant), organization: tenant.status?.authorization?.organization };
  try {
    context.beforeChange();
    const id = await context.provider.ensureOrganization(name, externalId);
    context.wrote(await setOrganization(tenant, id, context, signal));
    return 0;
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    if (!isRefusal(error)) return giveUp(tenant, error, recorded, context, signal);
    const message = `WorkOS refused to create the organization (HTTP ${error.status}). Correct spec.organization.`;
    await say(tenant, { status: 'False', reason: 'OrganizationRefused', message }, recorded, context, signal);
    return refusedRetryMs;
  }
}

async function register(
  tenant: Tenant,
  { organizationId, keep, missing, stale, invite }: Extract<Plan, { kind: 'register' }>,
  context: Context,
  signal: AbortSignal,
): Promise<number | undefined> {
  // In the order of the endpoints, so that the same registrations are always written the same way.
  const urls = urlsOf(tenant);
  const resources: Registration[] = [...keep];
  let organization = tenant.status?.authorization?.organization;
  const ordered = () => resources.toSorted((a, b) => urls.indexOf(a.url) - urls.indexOf(b.url));
  const unfinished = () => ({ resources: [...ordered(), ...stale], organization });
  try {
    if (!(await context.provider.organizationExists(organizationId))) {
      const message = `WorkOS has no organization ${organizationId}. Create the tenant again with the right organizationId.`;
      await say(tenant, { status: 'False', reason: 'OrganizationNotFound', message }, unfinished(), context, signal);
      return refusedRetryMs;
    }
    for (const url of missing) {
      context.beforeChange();
      resources.push({ url, id: (await context.provider.registerResource(url)).id });
    }
    for (const one of stale) {
      context.beforeChange();
      await context.provider.removeResource(one.id);
    }
    if (invite !== undefined) organization = await invited(invite, organizationId, organization, context);
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    if (!(error instanceof InvitationRefused)) return giveUp(tenant, error, unfinished(), context, signal);
    const message = `WorkOS refused to invite the first administrator (HTTP ${error.status}). Correct spec.organization.admin.email, and see that the role ${adminRole} exists: tenantry workos check.`;
    await say(tenant, { status: 'False', reason: 'InvitationRefused', message }, { resources: ordered(), organization }, context, signal);
    return refusedRetryMs;
  }
  const message = `Users of organization ${organizationId} can sign in.`;
  await say(tenant, { status: 'True', reason: 'Registered', message }, { resources: ordered(), organization }, context, signal);
  return undefined;
}

/** The invitation, not the rest of the pass, is what WorkOS refused. */
class InvitationRefused extends ProviderUnavailable {}

/** Invites the first administrator, unless the organization is another than the one made for the tenant: its people are others' business. */
async function invited(
  { email, externalId }: Invitee,
  organizationId: string,
  before: MadeOrganization | undefined,
  { provider, beforeChange }: Context,
): Promise<MadeOrganization | undefined> {
  if ((await provider.findOrganization(externalId)) !== organizationId) return before;
  beforeChange();
  try {
    return { id: organizationId, invitationId: await provider.ensureInvitation(email, organizationId, adminRole) };
  } catch (error) {
    if (isRefusal(error)) throw new InvitationRefused('sending an invitation', error.status, { cause: error });
    throw error;
  }
}

/** Removes the tenant's resources and then our finalizer. The finalizer stays until WorkOS has confirmed every removal. */
async function release(tenant: Tenant, context: Context, signal: AbortSignal): Promise<undefined> {
  const urls = urlsOf(tenant);
  const recorded = registrationsOf(tenant);
  try {
    // A pass cut off after registering has recorded nothing, so the recorded ones alone would not do.
    const present = await context.provider.resources();
    const own = present.filter(({ id, uri }) => urls.includes(uri) || recorded.some((one) => one.id === id));
    for (const { id } of own) {
      context.beforeChange();
      await context.provider.removeResource(id);
    }
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    return giveUp(tenant, error, { resources: recorded, organization: tenant.status?.authorization?.organization }, context, signal);
  }
  const rest = (tenant.metadata.finalizers ?? []).filter((finalizer) => finalizer !== finalizers.authorization);
  try {
    context.wrote(await setFinalizers(tenant, rest, context, signal));
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return undefined;
}

/** Says that WorkOS did not answer, and has the pass tried again. */
async function giveUp(
  tenant: Tenant,
  error: ProviderUnavailable,
  recorded: { readonly resources: readonly Registration[]; readonly organization: MadeOrganization | undefined },
  context: Context,
  signal: AbortSignal,
): Promise<never> {
  const waiting =
    tenant.metadata.deletionTimestamp === undefined ? 'Registration is' : 'The OAuth resources are not removed yet; removal is';
  const message = `${error.message}. ${waiting} tried again.`;
  await say(tenant, { status: 'False', reason: 'ProviderUnavailable', message }, recorded, context, signal);
  throw error;
}
