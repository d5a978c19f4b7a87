import {
  type Condition,
  type ConditionReason,
  conditionOfStall,
  isTrue,
  mergeConditions,
  remedyOf,
  type Stall,
  stallsAtOnce,
  type Verdict,
  verdict,
  verdictOfStall,
} from '../../crds/conditions.ts';
import { type Endpoints, namespaceOf } from '../../crds/names.ts';
import type { Tenant, TenantStatus } from '../../crds/tenant.ts';
import type { VerifiedServer } from './endpoint-check.ts';
import type { MigrationState } from './plan.ts';
import type { RouteState } from './route-state.ts';
import { toolNotices } from './server-report.ts';
import type { WorkloadState } from './workload-state.ts';

/** A reason that only a person can end, with the remedy. */
export interface Blocked {
  readonly reason: Stall;
  readonly message: string;
}

/** Reason why revoked keys may still work, or why valid keys do not work. */
export interface KeysProblem {
  readonly reason: ConditionReason<'SecretsReady'>;
  readonly message: string;
}

export type Verification =
  | { readonly state: 'pending' }
  | { readonly state: 'succeeded'; readonly server: VerifiedServer }
  | {
      readonly state: 'failed';
      readonly reason: ConditionReason<'Verified'>;
      readonly message: string;
    };

/** Findings of a reconcile. A step that was not reached has no entry and is shown as pending. */
export interface Findings {
  readonly revision?: string;
  readonly endpoints?: Endpoints;
  readonly blocked?: Blocked;
  readonly secrets?: boolean;
  readonly keysProblem?: KeysProblem | undefined;
  /** Server and name of the database; `none` if the tenant has none. */
  readonly database?: { readonly server: string; readonly name: string } | 'none';
  readonly databaseProblem?: { readonly reason: ConditionReason<'DatabaseReady'>; readonly message: string };
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
  // A stall is also shown in the condition that it is defined for.
  const stall = findings.blocked && verdictOfStall(findings.blocked.reason, findings.blocked.message);
  const parts: Verdict[] = [
    templateVerdict(tenant),
    secretsVerdict(findings),
    databaseVerdict(findings, tenant),
    workloadVerdict(findings, suspended),
    routeVerdict(findings),
    verifiedVerdict(tenant, findings, suspended),
  ].map((part) => (part.type === stall?.type ? stall : part));
  const failed = suspended ? undefined : failedRollout(findings);
  const blocked = findings.blocked ?? stalledBy(tenant, parts) ?? failed;
  const ready = readyVerdict(tenant, parts, findings, blocked, suspended);
  const settled = suspended
    ? !findings.workload?.available
    : ready.status === 'True' && parts.every(({ status }) => status === 'True') && !isRollingOut(findings);
  return [
    ...parts,
    ready,
    settled || blocked
      ? verdict('Reconciling', 'Settled', 'Nothing is being changed.')
      : verdict(
          'Reconciling',
          'Progressing',
          `Waiting for: ${suspended ? 'the pods to stop' : waitingFor(tenant, parts, findings).join(', ')}.`,
        ),
    blocked
      ? verdict('Stalled', blocked.reason, blocked.message)
      : verdict('Stalled', 'Progressing', troubleOf(findings) ?? 'Nothing has to be done by hand.'),
  ];
}

/** A problem that may or may not pass by itself. The tenant is therefore not stalled, but the message is shown to people. */
function troubleOf({ workload, route }: Findings): string | undefined {
  return workload?.problem?.message ?? (typeof route === 'object' && 'refused' in route ? route.refused : undefined);
}

/**
 * The first condition with a reason that only a person can end. The control plane's condition comes first, because sign-in depends on it.
 */
function stalledBy(tenant: Tenant, parts: readonly Verdict[]): Blocked | undefined {
  const authorization = (tenant.status?.conditions ?? []).filter(({ type }) => type === 'AuthorizationReady');
  for (const { reason, message } of [...authorization, ...parts]) if (stallsAtOnce(reason)) return { reason, message };
  return undefined;
}

/** A problem of the new pods that only a person can end, even while an old pod serves. */
function failedRollout({ workload }: Findings): Blocked | undefined {
  const problem = workload?.problem;
  return problem?.stalls ? { reason: problem.reason, message: problem.message } : undefined;
}

function templateVerdict({ spec }: Tenant): Verdict {
  return verdict('TemplateResolved', 'Resolved', `Template ${spec.template.name} is used.`);
}

const migrationFailed = (namespace: string): string =>
  `The migration failed. ${remedyOf('DatabaseReady', 'MigrationFailed')} Its log: kubectl logs -n ${namespace} -l app.kubernetes.io/component=migration`;

function secretsVerdict({ secrets, keysProblem }: Findings): Verdict {
  if (keysProblem) return verdict('SecretsReady', keysProblem.reason, keysProblem.message);
  return secrets
    ? verdict('SecretsReady', 'Generated', 'All secrets exist.')
    : verdict('SecretsReady', 'Pending', 'Secrets are not generated yet.');
}

function databaseVerdict({ database, databaseProblem, migration, workload }: Findings, tenant: Tenant): Verdict {
  const type = 'DatabaseReady';
  if (databaseProblem) return verdict(type, databaseProblem.reason, databaseProblem.message);
  if (database === 'none') return verdict(type, 'NotRequired', 'This tenant has no database.');
  if (database === undefined) return verdict(type, 'Provisioning', 'The database is not provisioned yet.');
  if (migration === 'failed') return verdict(type, 'MigrationFailed', migrationFailed(namespaceOf(tenant.metadata.name)));
  if (migration === 'none' || migration === 'succeeded') {
    return verdict(type, 'Ready', 'The database exists and is migrated.');
  }
  const namespace = namespaceOf(tenant.metadata.name);
  const message = workload?.problem
    ? `The migration does not start: ${workload.problem.message}`
    : `The migration is under way. If it stays so: kubectl describe jobs,pods -n ${namespace} -l app.kubernetes.io/component=migration.`;
  return verdict(type, 'Migrating', message);
}

function workloadVerdict({ workload, blocked }: Findings, suspended: boolean): Verdict {
  const type = 'WorkloadAvailable';
  if (suspended && blocked?.reason === 'Paused' && workload?.available)
    return verdict(type, 'Available', 'The tenant is suspended, but its pods serve until the pause ends.');
  if (suspended) return verdict(type, 'Suspended', 'The tenant is suspended; set spec.suspended to false to resume it.');
  if (!workload) return verdict(type, 'Pending', 'The pods are not started yet.');
  if (workload.available) {
    const next = workload.problem === undefined ? '' : ` The next one does not start: ${workload.problem.message}`;
    return verdict(type, 'Available', `A pod serves.${next}`);
  }
  if (workload.problem) return verdict(type, workload.problem.reason, workload.problem.message);
  return verdict(type, 'Progressing', 'The pods are starting.');
}

function routeVerdict({ route }: Findings): Verdict {
  const type = 'RouteReady';
  if (route === 'routed') return verdict(type, 'Routed', 'Service and route are in place.');
  if (route === undefined) return verdict(type, 'Pending', 'The route is not in place yet.');
  if ('waiting' in route) return verdict(type, 'Pending', route.waiting);
  return verdict(type, 'NotAccepted', route.refused);
}

function verifiedVerdict(tenant: Tenant, { verification, blocked, endpoints }: Findings, suspended: boolean): Verdict {
  const type = 'Verified';
  if (suspended) return verdict(type, 'Suspended', 'A suspended tenant is not verified.');
  if (verification?.state === 'failed') return verdict(type, verification.reason, verification.message);
  const before = tenant.status?.conditions?.find((condition) => condition.type === type);
  // If the tenant's URL has changed, the verification was of another URL.
  const moved = endpoints !== undefined && endpoints.mcp !== tenant.status?.endpoints?.mcp;
  const held = before?.status === 'True' && !moved && (verification === undefined || blocked !== undefined);
  if (verification?.state === 'succeeded' || held) {
    const server = verification?.state === 'succeeded' ? verification.server : tenant.status?.server;
    const notices = server === undefined ? [] : toolNotices(server);
    return verdict(type, 'HandshakeSucceeded', ['An MCP handshake through the public route succeeded.', ...notices].join(' '));
  }
  return verdict(type, 'Pending', 'The MCP handshake through the public route has not been tried yet.');
}

/** Before the first success all parts must be ready. Afterwards only the tenant's own workload counts. */
function readyVerdict(
  tenant: Tenant,
  parts: readonly Verdict[],
  findings: Findings,
  blocked: Blocked | undefined,
  suspended: boolean,
): Verdict {
  const type = 'Ready';
  if (suspended) return verdict(type, 'Suspended', 'The tenant is suspended.');
  const server = findings.verification?.state === 'succeeded' ? findings.verification.server : tenant.status?.server;
  const withoutTools = server?.tools === 0 ? toolNotices(server)[0] : undefined;
  const trouble = [troubleOf(findings) ?? []].flat();
  const available = findings.workload?.available ?? isTrue(tenant.status?.conditions, 'WorkloadAvailable');
  if (wasReady(tenant)) {
    // Lists of tenants show this message.
    const but = blocked?.message ?? findings.keysProblem?.message ?? withoutTools;
    return available
      ? verdict(type, 'Ready', servesBut(blocked, but))
      : verdict(type, 'WorkloadUnavailable', ['No pod of the tenant serves.', ...trouble].join(' '));
  }
  if (blocked) return verdict(type, 'Stalled', blocked.message);
  const waiting = waitingFor(tenant, parts, findings);
  return waiting.length === 0
    ? verdict(type, 'Ready', ['The tenant serves.', withoutTools ?? []].flat().join(' '))
    : verdict(type, 'Progressing', [`Waiting for: ${waiting.join(', ')}.`, ...trouble].join(' '));
}

function servesBut(blocked: Blocked | undefined, but: string | undefined): string {
  if (but === undefined) return 'The tenant serves.';
  const failed = conditionOfStall(blocked?.reason ?? '') === 'WorkloadAvailable';
  return failed ? `The tenant serves, but its new pods do not: ${but}` : `The tenant serves as it is. ${but}`;
}

/** Whether the tenant was ever ready. The handshake is recorded only after all other parts are ready, so its record is the proof. */
export function wasReady(tenant: Tenant): boolean {
  return tenant.status?.server !== undefined;
}

/** Whether the tenant's Secrets existed at the last check. */
export function hadSecrets(tenant: Tenant): boolean {
  const condition = tenant.status?.conditions?.find(({ type }) => type === 'SecretsReady');
  return condition !== undefined && condition.reason !== 'Pending';
}

/** Whether a roll-out is under way. The old pods serve until the new pods do. */
function isRollingOut({ workload }: Findings): boolean {
  return workload?.settled === false && workload.available;
}

/**
 * The names of the missing parts. The control plane's part is named only if no other part except the verification is missing. Naming it
 * earlier would cost a write of the status when it becomes ready.
 */
function waitingFor(tenant: Tenant, parts: readonly Verdict[], findings: Findings): string[] {
  const missing: string[] = parts.filter((verdict) => verdict.status !== 'True').map((verdict) => verdict.type);
  if (missing.length === 0 && isRollingOut(findings)) return ['the new pods'];
  const own = missing.filter((type) => type !== 'Verified');
  return own.length === 0 && !isTrue(tenant.status?.conditions, 'AuthorizationReady') ? ['AuthorizationReady', ...missing] : missing;
}

function phaseOf(tenant: Tenant, conditions: readonly Condition[]): NonNullable<TenantStatus['phase']> {
  if (tenant.metadata.deletionTimestamp !== undefined) return 'Deleting';
  const stalled = conditions.find(({ type, status }) => type === 'Stalled' && status === 'True');
  const degraded = wasReady(tenant) && conditionOfStall(stalled?.reason ?? '') === 'WorkloadAvailable';
  if (stalled) return degraded ? 'Degraded' : 'Stalled';
  if (isTrue(conditions, 'Ready')) return 'Ready';
  if (tenant.spec.suspended) return 'Suspended';
  return wasReady(tenant) ? 'Degraded' : 'Provisioning';
}

/** Status of a tenant that is being deleted. `problem` says why the clean-up does not proceed. */
export function deletingStatus(tenant: Tenant, waiting: string, problem: string | undefined, now: () => Date): TenantStatus {
  const verdicts: Verdict[] = [
    verdict('Ready', 'Deleting', `The tenant is being deleted; waiting for: ${waiting}.`),
    verdict('Reconciling', 'Deleting', `Waiting for: ${waiting}.`),
    problem === undefined
      ? verdict('Stalled', 'Progressing', 'Nothing has to be done by hand.')
      : verdict('Stalled', 'CleanupFailed', problem),
  ];
  const { authorization: _theirs, conditions = [], ...rest } = tenant.status ?? {};
  // The conditions of the parts are left out, because the parts are being removed.
  const decided = mergeConditions(conditions, verdicts, tenant.metadata.generation ?? 0, now);
  return { ...rest, phase: 'Deleting', observedGeneration: tenant.metadata.generation, conditions: decided };
}
