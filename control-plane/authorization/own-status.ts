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

/** The parts of a pass that write a Tenant. */
export interface StatusContext {
  readonly client: KubeClient;
  readonly now: () => Date;
  /** Called with every written Tenant, before the watch reports it. */
  readonly wrote: (tenant: Tenant) => void;
}

/** Writes condition, registrations and organization, unless the Tenant already has them. */
export async function writeStatus(
  tenant: Tenant,
  { reason, message }: AuthorizationVerdict,
  recorded: Pick<OwnStatus, 'resources' | 'organization'>,
  { client, now, wrote }: StatusContext,
  signal: AbortSignal,
): Promise<void> {
  const own = statusToWrite(tenant, verdict('AuthorizationReady', reason, message), recorded, now);
  if (own === undefined) return;
  const { name, uid } = tenant.metadata;
  // An apply removes our fields that it leaves out, so each apply has all of them.
  const authorization = {
    ...(own.resources.length === 0 ? {} : { resources: own.resources }),
    ...(own.organization === undefined ? {} : { organization: own.organization }),
  };
  const object: KubeObject & { status: object } = {
    // The UID makes the write a Conflict when the tenant was deleted and another one of the same name created.
    metadata: uid === undefined ? { name } : { name, uid },
    status: { conditions: [own.condition], ...(Object.keys(authorization).length === 0 ? {} : { authorization }) },
  };
  wrote(await client.apply<Tenant>(kinds.Tenant, object, { fieldManager, subresource: 'status', signal }));
}

/** Replaces the finalizers. */
export function setFinalizers(tenant: Tenant, wanted: readonly string[], { client }: StatusContext, signal: AbortSignal): Promise<Tenant> {
  const { name, uid, resourceVersion } = tenant.metadata;
  // The whole list is replaced. If another controller has added a finalizer meanwhile, the version makes this a Conflict.
  return client.patch<Tenant>(kinds.Tenant, name, { metadata: { uid, resourceVersion, finalizers: wanted } }, { fieldManager, signal });
}

/** Sets the organization. It is a Conflict when the Tenant has changed meanwhile. */
export function setOrganization(tenant: Tenant, organizationId: string, { client }: StatusContext, signal: AbortSignal): Promise<Tenant> {
  const { name, uid, resourceVersion } = tenant.metadata;
  const patch = { metadata: { uid, resourceVersion }, spec: { organizationId } };
  return client.patch<Tenant>(kinds.Tenant, name, patch, { fieldManager, signal });
}
