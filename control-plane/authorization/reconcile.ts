import { finalizers } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { isNotFound } from '../../kube/errors.ts';
import { ProviderUnavailable, type RegisteredResource } from '../identity/provider.ts';
import { isRefusal } from '../identity/workos-connection.ts';
import {
  adminRole,
  ensureOrganization,
  InvitationRefused,
  invite as inviteAdmin,
  markOlder,
  mayInvite,
  type OrganizationContext,
  OrganizationTaken,
  refusePlatform,
} from './organization.ts';
import { type StatusContext, setFinalizers, setOrganization, writeStatus } from './own-status.ts';
import { type MadeOrganization, type Plan, plan, type Registration, registrationsOf, urlsOf } from './plan.ts';

/** Milliseconds before a refused request is tried again. Somebody may have corrected the cause at WorkOS. */
const refusedRetryMs = 60_000;

export interface Context extends StatusContext, OrganizationContext {
  /** Runs `work` after earlier work for the same URL. */
  readonly inTurn: <T>(url: string, work: () => Promise<T>) => Promise<T>;
}

/**
 * One pass over one tenant. It creates the organization and registers the tenant's URLs as OAuth resources, or removes them. A pass may end
 * anywhere: the next one finds the objects that were created and continues.
 *
 * @returns milliseconds until the next pass; undefined to wait for a change of the tenant.
 * @throws ProviderUnavailable after writing the condition; KubeError.
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
      await writeStatus(tenant, { reason: 'NoOrganization', message: noOrganization }, nothing, context, signal);
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

/** Creates or finds the organization and sets its identifier. The invitation comes in a later step. */
async function organize(
  tenant: Tenant,
  wanted: Extract<Plan, { kind: 'organize' }>,
  context: Context,
  signal: AbortSignal,
): Promise<number> {
  const recorded = { resources: registrationsOf(tenant), organization: tenant.status?.authorization?.organization };
  try {
    const id = await ensureOrganization(tenant, wanted, context);
    context.wrote(await setOrganization(tenant, id, context, signal));
    return 0;
  } catch (error) {
    if (error instanceof OrganizationTaken) return refuse(tenant, error, recorded, context, signal);
    if (!(error instanceof ProviderUnavailable)) throw error;
    if (!isRefusal(error)) return reportUnavailable(tenant, error, recorded, context, signal);
    const message = `WorkOS refused to create the organization (HTTP ${error.status}). Correct spec.organization.`;
    await writeStatus(tenant, { reason: 'OrganizationRefused', message }, recorded, context, signal);
    return refusedRetryMs;
  }
}

async function register(
  tenant: Tenant,
  { organizationId, keep, missing, stale, invite }: Extract<Plan, { kind: 'register' }>,
  context: Context,
  signal: AbortSignal,
): Promise<number | undefined> {
  // In the order of the endpoints, so that the same registrations always give the same status.
  const urls = urlsOf(tenant);
  const resources: Registration[] = [...keep];
  let organization = tenant.status?.authorization?.organization;
  const ordered = () => resources.toSorted((a, b) => urls.indexOf(a.url) - urls.indexOf(b.url));
  const unfinished = () => ({ resources: [...ordered(), ...stale], organization });
  try {
    refusePlatform(organizationId, context);
    const found = await context.provider.organization(organizationId);
    if (found === undefined) {
      const message = `WorkOS has no organization ${organizationId}. Create the tenant again with the right organizationId.`;
      await writeStatus(tenant, { reason: 'OrganizationNotFound', message }, unfinished(), context, signal);
      return refusedRetryMs;
    }
    // The check comes first, so that nothing is made for a tenant that must not have the organization.
    const inviting = invite !== undefined && (await mayInvite(tenant, invite, organizationId, context));
    await markOlder(tenant, found, context);
    for (const url of missing) resources.push({ url, id: await context.inTurn(url, () => registered(url, context)) });
    for (const one of stale) await context.inTurn(one.url, () => removed(tenant, { id: one.id, uri: one.url }, context));
    if (inviting) organization = await inviteAdmin(invite, organizationId, context);
  } catch (error) {
    if (error instanceof OrganizationTaken) return refuse(tenant, error, unfinished(), context, signal);
    if (!(error instanceof ProviderUnavailable)) throw error;
    if (!(error instanceof InvitationRefused)) return reportUnavailable(tenant, error, unfinished(), context, signal);
    const message = `WorkOS refused to invite the first administrator (HTTP ${error.status}). Correct spec.organization.admin.email, and check that the role ${adminRole} exists: tenantry workos check.`;
    await writeStatus(tenant, { reason: 'InvitationRefused', message }, { resources: ordered(), organization }, context, signal);
    return refusedRetryMs;
  }
  const message = `Users of organization ${organizationId} can sign in.`;
  await writeStatus(tenant, { reason: 'Registered', message }, { resources: ordered(), organization }, context, signal);
  return undefined;
}

async function registered(url: string, { provider, beforeChange }: Context): Promise<string> {
  beforeChange();
  return (await provider.registerResource(url)).id;
}

/** Removes a resource unless another tenant has it now. A custom domain that moved to another tenant keeps its identifier. */
async function removed(tenant: Tenant, { id, uri }: RegisteredResource, { provider, beforeChange, tenants }: Context): Promise<void> {
  const others = tenants().filter(({ metadata }) => metadata.uid !== tenant.metadata.uid && metadata.deletionTimestamp === undefined);
  if (others.some((other) => urlsOf(other).includes(uri) || registrationsOf(other).some((one) => one.id === id))) return;
  beforeChange();
  await provider.removeResource(id);
}

/** Removes the tenant's resources, then our finalizer. The finalizer stays until WorkOS has confirmed every removal. */
async function release(tenant: Tenant, context: Context, signal: AbortSignal): Promise<undefined> {
  const urls = urlsOf(tenant);
  const recorded = registrationsOf(tenant);
  try {
    // A pass that ended after registering has recorded nothing, so unrecorded resources are looked for too.
    const present = await context.provider.resources();
    const own = present.filter(({ id, uri }) => urls.includes(uri) || recorded.some((one) => one.id === id));
    for (const one of own) await context.inTurn(one.uri, () => removed(tenant, one, context));
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    return reportUnavailable(
      tenant,
      error,
      { resources: recorded, organization: tenant.status?.authorization?.organization },
      context,
      signal,
    );
  }
  const rest = (tenant.metadata.finalizers ?? []).filter((finalizer) => finalizer !== finalizers.authorization);
  try {
    context.wrote(await setFinalizers(tenant, rest, context, signal));
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return undefined;
}

/** Writes that the organization must not belong to the tenant. The next pass checks again, because somebody may correct it at WorkOS. */
async function refuse(
  tenant: Tenant,
  { message }: OrganizationTaken,
  recorded: { readonly resources: readonly Registration[]; readonly organization: MadeOrganization | undefined },
  context: Context,
  signal: AbortSignal,
): Promise<number> {
  await writeStatus(tenant, { reason: 'OrganizationTaken', message }, recorded, context, signal);
  return refusedRetryMs;
}

/** Writes that WorkOS did not answer, and throws so that the pass is tried again. */
async function reportUnavailable(
  tenant: Tenant,
  error: ProviderUnavailable,
  recorded: { readonly resources: readonly Registration[]; readonly organization: MadeOrganization | undefined },
  context: Context,
  signal: AbortSignal,
): Promise<never> {
  const waiting =
    tenant.metadata.deletionTimestamp === undefined ? 'Registration is' : 'The OAuth resources are not removed yet. Removal is';
  const message = `${error.message}. ${waiting} tried again.`;
  await writeStatus(tenant, { reason: 'ProviderUnavailable', message }, recorded, context, signal);
  throw error;
}
