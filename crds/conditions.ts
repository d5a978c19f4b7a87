import { apiFaultReasons } from './api-report.ts';

/**
 * Condition types and reasons of a Tenant. Both are API: scripts and alerts match on them, so a reason is only ever added.
 * Meaning of status, observedGeneration and lastTransitionTime: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
 */

/** Reasons of AuthorizationReady with which nothing gets on until a person acts; the message says how. Each stalls the tenant. */
const authorizationStalls = ['OrganizationNotFound', 'OrganizationTaken', 'OrganizationRefused', 'InvitationRefused'] as const;

/** Reasons of WorkloadAvailable that may stall the tenant: the API was brought with a mistake. */
const workloadStalls = ['ProgramMissing', ...apiFaultReasons] as const;

/** Reasons each condition may carry, by condition type. */
export const conditionReasons = {
  /** The template exists and the tenant's parameters fit its schema. */
  TemplateResolved: ['Resolved', 'TemplateNotFound', 'RevisionNotFound', 'TemplateInvalid', 'ParametersInvalid', 'ContainersInvalid'],
  /** Generated secrets exist in the tenant's namespace, and the pods' file of API keys is as it should be. */
  SecretsReady: ['Generated', 'Pending', 'KeysNotWritten', 'TooManyKeys'],
  /** Database, roles and password exist and the migration has run. */
  DatabaseReady: ['Ready', 'NotRequired', 'Provisioning', 'Migrating', 'MigrationFailed', 'ServerUnavailable', 'NoServer'],
  /** The tenant's pods are available. */
  WorkloadAvailable: [
    'Available',
    'Pending',
    'Progressing',
    'ImagePullFailed',
    'ContainerRefused',
    'CrashLoop',
    ...workloadStalls,
    'Unschedulable',
    'PodsRefused',
    'Suspended',
  ],
  /** Service and route exist and name the tenant's public URLs. */
  RouteReady: ['Routed', 'Pending', 'NotAccepted'],
  /** Written by the control plane: the tenant's URLs are OAuth resources of the authorization server, and who is to be invited is. */
  AuthorizationReady: ['Registered', 'NoOrganization', ...authorizationStalls, 'ProviderUnavailable'],
  /** An MCP handshake through the tenant's own public route succeeded. */
  Verified: ['HandshakeSucceeded', 'Pending', 'Unreachable', 'HandshakeFailed', 'MetadataInvalid', 'ChallengeMissing', 'Suspended'],
  /** All of the above held once, and the tenant's own workload still serves. */
  Ready: ['Ready', 'Progressing', 'Stalled', 'WorkloadUnavailable', 'Suspended', 'Deleting'],
  /** kstatus: the operator is still working on it. */
  Reconciling: ['Progressing', 'Settled', 'Deleting'],
  /** kstatus: nothing will change until somebody acts; the message says what to do. */
  Stalled: [
    'Progressing',
    'TemplateNotFound',
    'RevisionNotFound',
    'TemplateInvalid',
    'ParametersInvalid',
    'ContainersInvalid',
    'NoServer',
    'MigrationFailed',
    ...authorizationStalls,
    ...workloadStalls,
    'NamespaceConflict',
    'ApplyRefused',
    'CleanupFailed',
    'Paused',
  ],
} as const;

export type ConditionType = keyof typeof conditionReasons;
export type ConditionReason<T extends ConditionType = ConditionType> = (typeof conditionReasons)[T][number];

/** Whether a reason of AuthorizationReady is one that only a person can end. */
export function stallsAuthorization(reason: string): reason is (typeof authorizationStalls)[number] {
  return authorizationStalls.some((stall) => stall === reason);
}

/** `lastTransitionTime` is RFC 3339 in UTC and moves only when `status` changes. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
}

/** A condition as a controller decides it, before time and generation are filled in. */
export type Verdict = {
  [T in ConditionType]: {
    readonly type: T;
    readonly status: Condition['status'];
    readonly reason: ConditionReason<T>;
    readonly message: string;
  };
}[ConditionType];

/** Completes `verdicts` into conditions; the time of an unchanged status is kept, so that a second pass writes nothing. */
export function mergeConditions(
  previous: readonly Condition[],
  verdicts: readonly Verdict[],
  generation: number,
  now: () => Date,
): Condition[] {
  return verdicts.map((verdict) => {
    const before = previous.find((condition) => condition.type === verdict.type);
    return {
      type: verdict.type,
      status: verdict.status,
      reason: verdict.reason,
      message: verdict.message,
      observedGeneration: generation,
      lastTransitionTime: before?.status === verdict.status ? before.lastTransitionTime : rfc3339(now()),
    };
  });
}

/** Conditions of Kubernetes carry whole seconds; milliseconds would be cut by the API server and differ on the next comparison. */
export function rfc3339(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

export function isTrue(conditions: readonly Condition[] | undefined, type: ConditionType): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}
