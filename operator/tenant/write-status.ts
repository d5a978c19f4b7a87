import type { Tenant, TenantStatus } from '../../crds/tenant.ts';
import { isNotFound } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { fieldManager } from '../objects/names.ts';
import type { Context } from './context.ts';
import { covers } from './drift.ts';

/** Applies the status unless the Tenant already has it. */
export async function writeStatus(
  tenant: Tenant,
  status: TenantStatus,
  { client, events, learn, log }: Context,
  signal: AbortSignal,
): Promise<void> {
  if (covers(tenant.status, status) && sameShape(tenant.status, status)) return;
  const { name, uid } = tenant.metadata;
  const object = { apiVersion: tenant.apiVersion, kind: tenant.kind, metadata: { name, ...(uid ? { uid } : {}) }, status };
  try {
    learn(await client.apply<Tenant>(kinds.Tenant, object, { fieldManager, subresource: 'status', signal }));
  } catch (error) {
    if (isNotFound(error)) return;
    throw error;
  }
  log.debug({ tenant: name, phase: status.phase }, 'status written');
  for (const type of ['Ready', 'Stalled'] as const) {
    const before = tenant.status?.conditions?.find((condition) => condition.type === type);
    const after = status.conditions?.find((condition) => condition.type === type);
    // A new reason of a stall is also a change.
    const same = before?.status === after?.status && (type !== 'Stalled' || before?.reason === after?.reason);
    if (!after || same) continue;
    if (type === 'Ready' && after.status === 'True') await events.record(tenant, 'Normal', 'Ready', after.message);
    else if (type === 'Ready' && before?.status === 'True') {
      // A state that was requested is not a warning.
      const asked = after.reason === 'Deleting' || after.reason === 'Suspended';
      await events.record(tenant, asked ? 'Normal' : 'Warning', 'NotReady', after.message);
    } else if (type === 'Stalled' && after.status === 'True')
      await events.record(tenant, 'Warning', 'Stalled', `${after.reason}: ${after.message}`);
  }
}

function sameKeys(live: unknown, wanted: unknown): boolean {
  if (live === null || typeof live !== 'object' || wanted === null || typeof wanted !== 'object')
    return (live === undefined) === (wanted === undefined);
  const keys = [...new Set([...Object.keys(live), ...Object.keys(wanted)])];
  return keys.every((key) => sameKeys((live as Record<string, unknown>)[key], (wanted as Record<string, unknown>)[key]));
}

/**
 * Whether the status has exactly the fields that the operator writes now. A field that it no longer writes makes a difference; fields of
 * others are ignored.
 */
function sameShape(live: TenantStatus | undefined, wanted: TenantStatus): boolean {
  const optional = ['endpoints', 'template', 'database', 'server', 'secrets', 'domains'] as const;
  return optional.every((field) => sameKeys(live?.[field], wanted[field]));
}
