import type { Verdict } from '../../crds/conditions.ts';
import { finalizers } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { fieldManager } from '../field-manager.ts';
import { type IdentityProvider, ProviderUnavailable } from '../identity/provider.ts';
import { plan, type Registration, registrationsOf, statusToWrite, urlsOf } from './plan.ts';

/** Milliseconds until an organization that was not there is looked for again. */
const organizationRetryMs = 60_000;

export interface Context {
  readonly client: KubeClient;
  readonly provider: IdentityProvider;
  readonly now: () => Date;
  /** Called before each change at WorkOS; what it throws ends the pass. */
  readonly beforeChange: () => void;
  /** Told of every Tenant written, before the watch shows it. */
  readonly wrote: (tenant: Tenant) => void;
}

/**
 * One pass over one tenant: its URLs are OAuth resources of the authorization server, or are none any more. Any pass may be cut off
 * anywhere: the next one finds what was registered and finishes.
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
    case 'unauthorized':
      await say(tenant, { status: 'True', reason: 'NoOrganization', message: noOrganization }, [], context, signal);
      return undefined;
    case 'release':
      return release(tenant, context, signal);
    case 'register':
      return register(tenant, next, context, signal);
  }
}

const noOrganization = 'The tenant has no organization: API keys work, sign-in does not.';

async function register(
  tenant: Tenant,
  { organizationId, keep, missing, stale }: Extract<ReturnType<typeof plan>, { kind: 'register' }>,
  context: Context,
  signal: AbortSignal,
): Promise<number | undefined> {
  // In the order of the endpoints, so that the same registrations are always written the same way.
  const urls = urlsOf(tenant);
  const resources: Registration[] = [...keep];
  const ordered = () => resources.toSorted((a, b) => urls.indexOf(a.url) - urls.indexOf(b.url));
  try {
    if (!(await context.provider.organizationExists(organizationId))) {
      const message = `WorkOS has no organization ${organizationId}. Create the tenant again with the right organizationId.`;
      await say(tenant, { status: 'False', reason: 'OrganizationNotFound', message }, [...ordered(), ...stale], context, signal);
      return organizationRetryMs;
    }
    for (const url of missing) {
      context.beforeChange();
      resources.push({ url, id: (await context.provider.registerResource(url)).id });
    }
    for (const one of stale) {
      context.beforeChange();
      await context.provider.removeResource(one.id);
    }
  } catch (error) {
    if (!(error instanceof ProviderUnavailable)) throw error;
    await sayUnavailable(tenant, error, [...ordered(), ...stale], context, signal);
    throw error;
  }
  const message = `Users of organization ${organizationId} can sign in.`;
  await say(tenant, { status: 'True', reason: 'Registered', message }, ordered(), context, signal);
  return undefined;
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
    await sayUnavailable(tenant, error, recorded, context, signal);
    throw error;
  }
  const rest = (tenant.metadata.finalizers ?? []).filter((finalizer) => finalizer !== finalizers.authorization);
  try {
    context.wrote(await setFinalizers(tenant, rest, context, signal));
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return undefined;
}

function sayUnavailable(
  tenant: Tenant,
  error: ProviderUnavailable,
  resources: readonly Registration[],
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  const waiting =
    tenant.metadata.deletionTimestamp === undefined ? 'Registration is' : 'The OAuth resources are not removed yet; removal is';
  const message = `${error.message}. ${waiting} tried again.`;
  return say(tenant, { status: 'False', reason: 'ProviderUnavailable', message }, resources, context, signal);
}

/** Writes condition and registrations, unless the Tenant shows them already. */
async function say(
  tenant: Tenant,
  verdict: Omit<Extract<Verdict, { type: 'AuthorizationReady' }>, 'type'>,
  resources: readonly Registration[],
  { client, now, wrote }: Context,
  signal: AbortSignal,
): Promise<void> {
  const own = statusToWrite(tenant, { type: 'AuthorizationReady', ...verdict }, resources, now);
  if (own === undefined) return;
  const { name, uid } = tenant.metadata;
  const object: KubeObject & { status: object } = {
    // With the UID a namesake created meanwhile is a Conflict and not a victim.
    metadata: uid === undefined ? { name } : { name, uid },
    status: { conditions: [own.condition], ...(own.resources.length === 0 ? {} : { authorization: { resources: own.resources } }) },
  };
  wrote(await client.apply<Tenant>(kinds.Tenant, object, { fieldManager, subresource: 'status', signal }));
}

function setFinalizers(tenant: Tenant, wanted: readonly string[], { client }: Context, signal: AbortSignal): Promise<Tenant> {
  const { name, uid, resourceVersion } = tenant.metadata;
  // The list is replaced whole, so that a finalizer another controller added meanwhile must make this a Conflict.
  return client.patch<Tenant>(kinds.Tenant, name, { metadata: { uid, resourceVersion, finalizers: wanted } }, { fieldManager, signal });
}
