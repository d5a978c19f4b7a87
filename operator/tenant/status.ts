import { type Condition, type ConditionReason, isTrue, mergeConditions, stallsAuthorization, type Verdict } from '../../crds/conditions.ts';
import { type Endpoints, namespaceOf } from '../../crds/names.ts';
import type { Tenant, TenantStatus } from '../../crds/tenant.ts';
import type { MigrationState } from './plan.ts';
import type { RouteState } from './route.ts';
import { toolNotices } from './server-report.ts';
import type { VerifiedServer } from './verify.ts';
import type { WorkloadState } from './workload.ts';

/** A reason why only a person can help, with what to do. */
export interface Blocked {
  readonly reason: Exclude<ConditionReason<'Stalled'>, 'Progressing'>;
  readonly message: string;
}

/** Why keys that were revoked may work on, or keys that were made do not work. */
export interface KeysProblem {
  readonly reason: Extract<ConditionReason<'SecretsReady'>, 'KeysNotWritten' | 'TooManyKeys'>;
  readonly message: string;
}

export type Verification =
  | { readonly state: 'pending' }
  | { readonly state: 'succeeded'; readonly server: VerifiedServer }
  | {
      readonly state: 'failed';
      readonly reason: 'Unreachable' | 'HandshakeFailed' | 'MetadataInvalid' | 'ChallengeMissing';
      readonly message: string;
    };

/** What a reconcile learned of a tenant. What it did not come to is left out and reads as pending. */
export interface Findings {
  readonly revision?: string;
  readonly endpoints?: Endpoints;
  readonly blocked?: Blocked;
  readonly secrets?: boolean;
  readonly keysProblem?: KeysProblem | undefined;
  /** Where the database is; `none` where the tenant has none. */
  readonly database?: { readonly server: string; readonly name: string } | 'none';
  readonly databaseProblem?: { readonly reason: 'ServerUnavailable' | 'NoServer'; readonly message: string };
  readonly migration?: MigrationState;
  readonly workload?: WorkloadState;
  readonly route?: RouteState | undefined;
  readonly rotation?: TenantStatus['secrets'];
  readonly domains?: NonNullable<TenantStatus['domains']>;
  readonly verification?: Verification;
}

/** The status the operator applies. Pure: equal findings give an equal status. */
export function statusOf(tenant: Tenant, findings: Findings, now: () => Date): TenantStatus {
  const verdicts = decide(tenant, findings);
  const conditions = mergeConditions(tenant.status?.conditions ?? [], verdicts, tenant.metadata.generation ?? 0, now);
  const server = findings.verification?.state === 'succeeded' ? findings.verification.server : tenant.status?.server;
  const revision = findings.workload?.settled ? findings.revision : tenant.status?.template?.revision;
  const secrets = findings.rotation ?? tenant.status?.secrets;
  const domains = findings.domains ?? tenant.status?.domains;
  return {
    phase: phaseOf(tenant, conditions),
    observedGeneration: tenant.metadata.generation,
    conditions,
    namespace: namespaceOf(tenant.metadata.name),
    ...(findings.endpoints ? { endpoints: findings.endpoints } : tenant.status?.endpoints ? { endpoints: tenant.status.endpoints } : {}),
    ...(revision === undefined ? {} : { template: { name: tenant.spec.template.name, revision } }),
    ...(typeof findings.database === 'object'
      ? { database: findings.database }
      : tenant.status?.database
        ? { database: tenant.status.database }
        : {}),
    ...(server ? { server } : {}),
    ...(secrets ? { secrets } : {}),
    ...(domains && domains.length > 0 ? { domains } : {}),
  };
}

function decide(tenant: Tenant, findings: Findings): Verdict[] {
  const suspended = tenant.spec.suspended === true;
  const parts: Verdict[] = [
    templateVerdict(tenant, findings),
    secretsVerdict(findings),
    databaseVerdict(findings, tenant),
    workloadVerdict(findings, suspended),
    routeVerdict(findings),
    verifiedVerdict(tenant, findings, suspended),
  ];
  const blocked = findings.blocked ?? stalledBy(tenant, findings);
  const ready = readyVerdict(tenant, parts, findings, blocked, suspended);
  const settled = ready.status === 'True' && parts.every((verdict) => verdict.status === 'True');
  return [
    ...parts,
    ready,
    settled || blocked || suspended
      ? { type: 'Reconciling', status: 'False', reason: 'Settled', message: 'Nothing is being changed.' }
      : { type: 'Reconciling', status: 'True', reason: 'Progressing', message: `Waiting for: ${waitingFor(tenant, parts).join(', ')}.` },
    blocked
      ? { type: 'Stalled', status: 'True', reason: blocked.reason, message: blocked.message }
      : { type: 'Stalled', status: 'False', reason: 'Progressing', message: troubleOf(findings) ?? 'Nothing has to be done by hand.' },
  ];
}

/** What holds a tenant up and may pass by itself or not. Nobody can tell, so the tenant is not stalled, but people should read it. */
function troubleOf({ workload, route }: Findings): string | undefined {
  return workload?.problem?.message ?? (typeof route === 'object' && 'refused' in route ? route.refused : undefined);
}

function stalledBy(tenant: Tenant, findings: Findings): Blocked | undefined {
  const authorization = tenant.status?.conditions?.find((condition) => condition.type === 'AuthorizationReady');
  if (authorization && stallsAuthorization(authorization.reason)) return { reason: authorization.reason, message: authorization.message };
  if (findings.databaseProblem?.reason === 'NoServer') return { reason: 'NoServer', message: findings.databaseProblem.message };
  if (findings.migration === 'failed') return { reason: 'MigrationFailed', message: migrationFailed };
  const problem = findings.workload?.problem;
  if (problem?.stalls && !tenant.spec.suspended) return { reason: problem.reason, message: problem.message };
  return undefined;
}

const migrationFailed =
  'The migration failed. Read its log (kubectl logs -n <namespace> -l app.kubernetes.io/component=migration), mend the template, or delete the Job to try again.';

function templateVerdict(tenant: Tenant, findings: Findings): Verdict {
  const { reason, message } = findings.blocked ?? {};
  for (const fault of ['TemplateNotFound', 'RevisionNotFound', 'TemplateInvalid', 'ParametersInvalid', 'ContainersInvalid'] as const) {
    if (reason === fault && message !== undefined) return { type: 'TemplateResolved', status: 'False', reason: fault, message };
  }
  return { type: 'TemplateResolved', status: 'True', reason: 'Resolved', message: `Template ${tenant.spec.template.name} is used.` };
}

function secretsVerdict({ secrets, keysProblem }: Findings): Verdict {
  if (keysProblem) return { type: 'SecretsReady', status: 'False', ...keysProblem };
  return secrets
    ? { type: 'SecretsReady', status: 'True', reason: 'Generated', message: 'All secrets exist.' }
    : { type: 'SecretsReady', status: 'False', reason: 'Pending', message: 'Secrets are not generated yet.' };
}

function databaseVerdict({ database, databaseProblem, migration, workload }: Findings, tenant: Tenant): Verdict {
  const type = 'DatabaseReady';
  if (databaseProblem) return { type, status: 'False', ...databaseProblem };
  if (database === 'none') return { type, status: 'True', reason: 'NotRequired', message: 'This tenant has no database.' };
  if (database === undefined) return { type, status: 'False', reason: 'Provisioning', message: 'The database is not provisioned yet.' };
  if (migration === 'failed') return { type, status: 'False', reason: 'MigrationFailed', message: migrationFailed };
  if (migration === 'none' || migration === 'succeeded') {
    return { type, status: 'True', reason: 'Ready', message: 'The database exists and is migrated.' };
  }
  const namespace = namespaceOf(tenant.metadata.name);
  const message = workload?.problem
    ? `The migration does not start: ${workload.problem.message}`
    : `The migration is under way. If it stays so: kubectl describe jobs,pods -n ${namespace} -l app.kubernetes.io/component=migration.`;
  return { type, status: 'False', reason: 'Migrating', message };
}

function workloadVerdict({ workload, blocked }: Findings, suspended: boolean): Verdict {
  const type = 'WorkloadAvailable';
  if (suspended && blocked?.reason === 'Paused' && workload?.available)
    return { type, status: 'True', reason: 'Available', message: 'The tenant is suspended, but its pods serve until the pause ends.' };
  if (suspended)
    return { type, status: 'False', reason: 'Suspended', message: 'The tenant is suspended; set spec.suspended to false to resume it.' };
  if (!workload) return { type, status: 'False', reason: 'Pending', message: 'The pods are not started yet.' };
  if (workload.available) {
    const next = workload.problem === undefined ? '' : ` The next one does not start: ${workload.problem.message}`;
    return { type, status: 'True', reason: 'Available', message: `A pod serves.${next}` };
  }
  if (workload.problem) return { type, status: 'False', reason: workload.problem.reason, message: workload.problem.message };
  return { type, status: 'False', reason: 'Progressing', message: 'The pods are starting.' };
}

function routeVerdict({ route }: Findings): Verdict {
  const type = 'RouteReady';
  if (route === 'routed') return { type, status: 'True', reason: 'Routed', message: 'Service and route are in place.' };
  if (route === undefined) return { type, status: 'False', reason: 'Pending', message: 'The route is not in place yet.' };
  if ('waiting' in route) return { type, status: 'False', reason: 'Pending', message: route.waiting };
  return { type, status: 'False', reason: 'NotAccepted', message: route.refused };
}

function verifiedVerdict(tenant: Tenant, { verification, blocked, endpoints }: Findings, suspended: boolean): Verdict {
  const type = 'Verified';
  if (suspended) return { type, status: 'False', reason: 'Suspended', message: 'A suspended tenant is not verified.' };
  if (verification?.state === 'failed') return { type, status: 'False', reason: verification.reason, message: verification.message };
  const before = tenant.status?.conditions?.find((condition) => condition.type === type);
  // What was verified was another URL if the tenant's has changed since.
  const moved = endpoints !== undefined && endpoints.mcp !== tenant.status?.endpoints?.mcp;
  const held = before?.status === 'True' && !moved && (verification === undefined || blocked !== undefined);
  if (verification?.state === 'succeeded' || held) {
    const server = verification?.state === 'succeeded' ? verification.server : tenant.status?.server;
    const notices = server === undefined ? [] : toolNotices(server);
    const message = ['An MCP handshake through the public route succeeded.', ...notices].join(' ');
    return { type, status: 'True', reason: 'HandshakeSucceeded', message };
  }
  return { type, status: 'False', reason: 'Pending', message: 'The MCP handshake through the public route has not been tried yet.' };
}

/** Before the first success everything must hold; afterwards only the tenant's own workload counts. */
function readyVerdict(
  tenant: Tenant,
  parts: readonly Verdict[],
  findings: Findings,
  blocked: Blocked | undefined,
  suspended: boolean,
): Verdict {
  const type = 'Ready';
  if (suspended) return { type, status: 'False', reason: 'Suspended', message: 'The tenant is suspended.' };
  const server = findings.verification?.state === 'succeeded' ? findings.verification.server : tenant.status?.server;
  const withoutTools = server?.tools === 0 ? toolNotices(server)[0] : undefined;
  const available = findings.workload?.available ?? isTrue(tenant.status?.conditions, 'WorkloadAvailable');
  const trouble = [troubleOf(findings) ?? []].flat();
  if (wasReady(tenant)) {
    // It is the message that lists of tenants show.
    const but = blocked?.message ?? findings.keysProblem?.message ?? withoutTools;
    return available
      ? { type, status: 'True', reason: 'Ready', message: but === undefined ? 'The tenant serves.' : `The tenant serves as it is. ${but}` }
      : { type, status: 'False', reason: 'WorkloadUnavailable', message: ['No pod of the tenant serves.', ...trouble].join(' ') };
  }
  if (blocked) return { type, status: 'False', reason: 'Stalled', message: blocked.message };
  const waiting = waitingFor(tenant, parts);
  return waiting.length === 0
    ? { type, status: 'True', reason: 'Ready', message: ['The tenant serves.', withoutTools ?? []].flat().join(' ') }
    : { type, status: 'False', reason: 'Progressing', message: [`Waiting for: ${waiting.join(', ')}.`, ...trouble].join(' ') };
}

/** The handshake is recorded only once everything else holds, so its record says that the tenant was ready once. */
export function wasReady(tenant: Tenant): boolean {
  return tenant.status?.server !== undefined;
}

/** Whether the tenant's Secrets existed when they were last looked at. */
export function hadSecrets(tenant: Tenant): boolean {
  const condition = tenant.status?.conditions?.find(({ type }) => type === 'SecretsReady');
  return condition !== undefined && condition.reason !== 'Pending';
}

/** The control plane's part is named only when nothing else is missing: naming it earlier would cost a write when it comes. */
function waitingFor(tenant: Tenant, parts: readonly Verdict[]): string[] {
  const missing: string[] = parts.filter((verdict) => verdict.status !== 'True').map((verdict) => verdict.type);
  const own = missing.filter((type) => type !== 'Verified');
  return own.length === 0 && !isTrue(tenant.status?.conditions, 'AuthorizationReady') ? ['AuthorizationReady', ...missing] : missing;
}

function phaseOf(tenant: Tenant, conditions: readonly Condition[]): NonNullable<TenantStatus['phase']> {
  if (tenant.metadata.deletionTimestamp !== undefined) return 'Deleting';
  if (isTrue(conditions, 'Stalled')) return 'Stalled';
  if (isTrue(conditions, 'Ready')) return 'Ready';
  if (tenant.spec.suspended) return 'Suspended';
  return wasReady(tenant) ? 'Degraded' : 'Provisioning';
}

/** Status of a tenant that is being deleted. `problem` says why the clean-up does not get on. */
export function deletingStatus(tenant: Tenant, waiting: string, problem: string | undefined, now: () => Date): TenantStatus {
  const verdicts: Verdict[] = [
    { type: 'Ready', status: 'False', reason: 'Deleting', message: `The tenant is being deleted; waiting for: ${waiting}.` },
    { type: 'Reconciling', status: 'True', reason: 'Deleting', message: `Waiting for: ${waiting}.` },
    problem === undefined
      ? { type: 'Stalled', status: 'False', reason: 'Progressing', message: 'Nothing has to be done by hand.' }
      : { type: 'Stalled', status: 'True', reason: 'CleanupFailed', message: problem },
  ];
  const { authorization: _theirs, conditions = [], ...rest } = tenant.status ?? {};
  // What the parts are is not said any more: they are being taken down.
  const decided = mergeConditions(conditions, verdicts, tenant.metadata.generation ?? 0, now);
  return { ...rest, phase: 'Deleting', observedGeneration: tenant.metadata.generation, conditions: decided };
}
