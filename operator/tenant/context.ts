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
/** How often what is not watched is looked at, in milliseconds, before it is jittered. */
export const sweepMs = 5 * 60_000;

/** What a pass over one tenant works with. */
export interface Context {
  readonly client: KubeClient;
  readonly settings: Settings;
  readonly children: Children;
  /** Takes over a Tenant that a write returned. */
  readonly learn: (tenant: Tenant) => void;
  readonly templates: Templates;
  /** ApiKeys in the namespace of a tenant, whoever made them. */
  readonly apiKeys: (tenant: string) => readonly ApiKey[];
  readonly domains: Pick<Domains, 'claim' | 'claimsOf' | 'proof'>;
  readonly database: DatabaseServer | undefined;
  /** For the tenants' public URLs. */
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

/** What is remembered between passes to spare requests, each for minutes only. Losing it costs requests, never correctness. */
export interface Memory {
  /** By Tenant UID: the Secrets as last seen; `contents` tells what they were made for. */
  readonly secrets: Map<string, { readonly state: SecretsState; readonly until: number; readonly contents: string }>;
  /** By Tenant UID: digest of the API keys that the file of keys was last seen to have. */
  readonly keys: Map<string, string>;
  /** By Tenant UID: the password that let the tenant's role in when it was last tried. */
  readonly databases: Map<string, { readonly password: string; readonly until: number }>;
  /** By Tenant UID: since when, in milliseconds, the API server has refused something for want of rights. */
  readonly refused: Map<string, number>;
  /** UIDs of the Tenants whose handshake is under way. */
  readonly verifying: Set<string>;
  /** By Tenant UID: what was last verified, and until when that holds. */
  readonly verified: Map<
    string,
    { readonly fingerprint: string; readonly until: number; readonly failures: number; readonly verification: Verification }
  >;
}

/** Milliseconds until the tenant wants another pass though nothing changed; undefined when events alone will do. */
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
    // A tenant that stalls for another reason than before is news, too.
    const same = before?.status === after?.status && (type !== 'Stalled' || before?.reason === after?.reason);
    if (!after || same) continue;
    if (type === 'Ready' && after.status === 'True') await events.record(tenant, 'Normal', 'Ready', after.message);
    else if (type === 'Ready' && before?.status === 'True') {
      // What somebody asked for is no cause for alarm.
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

/** Whether a field we once wrote and no longer write is still there; only ours are compared. */
function sameShape(live: TenantStatus | undefined, wanted: TenantStatus): boolean {
  const optional = ['endpoints', 'template', 'database', 'server', 'secrets', 'domains'] as const;
  return optional.every((field) => sameKeys(live?.[field], wanted[field]));
}
