import { type ConditionReason, verdict } from '../../crds/conditions.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { fieldManager } from '../cluster/field-manager.ts';
import { type OwnStatus, statusToWrite } from './plan.ts';

export interface AuthorizationVerdict {
  readonly reason: ConditionReason<'AuthorizationReady'>;
  readonly message: string;
}

/** What a pass needs to write a Tenant. */
export interface Writing {
  readonly client: KubeClient;
  readonly now: () => Date;
  /** Told of every Tenant written, before the watch shows it. */
  readonly wrote: (tenant: Tenant) => void;
}

/** Writes condition, registrations and organization, unless the Tenant shows them already. */
export async function say(
  tenant: Tenant,
  { reason, message }: AuthorizationVerdict,
  recorded: Pick<OwnStatus, 'resources' | 'organization'>,
  { client, now, wrote }: Writing,
  signal: AbortSignal,
): Promise<void> {
  const own = statusToWrite(tenant, verdict('AuthorizationReady', reason, message), recorded, now);
  if (own === undefined) return;
  const { name, uid } = tenant.metadata;
  // What is left out of an apply is removed, so each one has all that is ours.
  const authorization = {
    ...(own.resources.length === 0 ? {} : { resources: own.resources }),
    ...(own.organization === undefined ? {} : { organization: own.organization }),
  };
  const object: KubeObject & { status: object } = {
    // With the UID a namesake created meanwhile is a Conflict and not a victim.
    metadata: uid === undefined ? { name } : { name, uid },
    status: { conditions: [own.condition], ...(Object.keys(authorization).length === 0 ? {} : { authorization }) },
  };
  wrote(await client.apply<Tenant>(kinds.Tenant, object, { fieldManager, subresource: 'status', signal }));
}

/** Replaces the finalizers. */
export function setFinalizers(tenant: Tenant, wanted: readonly string[], { client }: Writing, signal: AbortSignal): Promise<Tenant> {
  const { name, uid, resourceVersion } = tenant.metadata;
  // The list is replaced whole, so that a finalizer another controller added meanwhile must make this a Conflict.
  return client.patch<Tenant>(kinds.Tenant, name, { metadata: { uid, resourceVersion, finalizers: wanted } }, { fieldManager, signal });
}

/** Sets the organization. A change of the Tenant in between makes this a Conflict. */
export function setOrganization(tenant: Tenant, organizationId: string, { client }: Writing, signal: AbortSignal): Promise<Tenant> {
  const { name, uid, resourceVersion } = tenant.metadata;
  const patch = { metadata: { uid, resourceVersion }, spec: { organizationId } };
  return client.patch<Tenant>(kinds.Tenant, name, patch, { fieldManager, signal });
}
