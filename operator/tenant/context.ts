import type { Logger } from 'pino';
import type { ApiKey } from '../../crds/api-keys.ts';
import type { Tenant, TenantStatus } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import type { DatabaseServer } from '../database/server.ts';
import type { Domains } from '../domains/domains.ts';
import type { OperatorAudit } from '../runtime/audit.ts';
import type { EventRecorder } from '../runtime/events.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { SecretsState } from '../secrets/secrets.ts';
import type { Settings } from '../settings.ts';
import type { Templates } from '../templates/resolve.ts';
import type { Children } from './children.ts';
import { covers } from './drift.ts';
import type { PodReports } from './pod-reports.ts';
import type { Verification } from './status.ts';

export const fieldManager = 'tenantry-operator';
/** Interval of the checks of unwatched objects, in milliseconds, before jitter. */
export const sweepMs = 5 * 60_000;

/** Dependencies of a reconcile of one tenant. */
export interface Context {
  readonly client: KubeClient;
  readonly settings: Settings;
  readonly children: Children;
  /** Stores a Tenant that a write returned. */
  readonly learn: (tenant: Tenant) => void;
  readonly templates: Templates;
  /** All ApiKeys in the namespace of a tenant, by any creator. */
  readonly apiKeys: (tenant: string) => readonly ApiKey[];
  readonly domains: Pick<Domains, 'claim' | 'claimsOf' | 'proof'>;
  readonly database: DatabaseServer | undefined;
  /** The fetch for the tenants' public URLs. */
  readonly publicFetch: typeof globalThis.fetch;
  readonly podReports: Pick<PodReports, 'latest' | 'dueIn' | 'read'>;
  readonly events: EventRecorder;
  readonly audit: Pick<OperatorAudit, 'rotated' | 'secretsRead'>;
  readonly metrics: Pick<Metrics, 'rotations'>;
  readonly memory: Memory;
  readonly log: Logger;
  readonly now: () => Date;
  readonly random: () => number;
}

/** Results that are kept between passes to save requests, each for minutes only. Losing them costs requests, never correctness. */
export interface Memory {
  /** By Tenant UID: the Secrets as last seen. `contents` identifies the inputs they were made for. */
  readonly secrets: Map<string, { readonly state: SecretsState; readonly until: number; readonly contents: string }>;
  /** By Tenant UID: digest of the API keys that were last seen in the file of keys. */
  readonly keys: Map<string, string>;
  /** By Tenant UID: the password with which the tenant's role last logged in. */
  readonly databases: Map<string, { readonly password: string; readonly until: number }>;
  /** By Tenant UID: time in milliseconds since which the API server has refused a request for lack of permissions. */
  readonly refused: Map<string, number>;
  /** UIDs of the Tenants whose handshake is under way. */
  readonly verifying: Set<string>;
  /** By Tenant UID: the last verification, and how long it is valid. */
  readonly verified: Map<
    string,
    { readonly fingerprint: string; readonly until: number; readonly failures: number; readonly verification: Verification }
  >;
}

/** Milliseconds until the next pass even if nothing changes; undefined if events alone suffice. */
export type Again = number | undefined;

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
