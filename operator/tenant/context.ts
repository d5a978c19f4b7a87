import type { Logger } from 'pino';
import type { ApiKey } from '../../crds/api-keys.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { DatabaseServer } from '../database/server.ts';
import type { DomainClaims } from '../domains/domain-claims.ts';
import type { Settings } from '../installation/settings.ts';
import type { OperatorAudit } from '../runtime/audit.ts';
import type { EventRecorder } from '../runtime/events.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { SecretsState } from '../secrets/ensure-secrets.ts';
import type { Templates } from '../templates/resolve.ts';
import type { Children } from './children.ts';
import type { PodReports } from './pod-reports.ts';
import type { Verification } from './status.ts';

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
  readonly domains: Pick<DomainClaims, 'claim' | 'claimsOf' | 'proof'>;
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
export type RequeueAfter = number | undefined;
