import type { ApiReport } from '../../crds/api-report.ts';
import { remedyOf, type StallOf, stallsAtOnce } from '../../crds/conditions.ts';
import { labels } from '../../crds/names.ts';
import type { KubeObject } from '../../kube/resources.ts';
import { revisionAnnotation, secretsAnnotation } from '../render/pod.ts';
import { apiProblem } from './api-problem.ts';
import { missingProgram } from './missing-program.ts';

interface DeploymentObject extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: readonly PodCondition[];
  };
}

interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

interface Terminated {
  readonly exitCode: number;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#containerstatus-v1-core */
export interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: object;
    readonly terminated?: Terminated;
  };
  readonly lastState?: { readonly terminated?: Terminated };
}

export interface PodObject extends KubeObject {
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly PodCondition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface WorkloadState {
  /** Whether at least one pod serves. */
  readonly available: boolean;
  /** Whether every pod runs the last applied state. */
  readonly settled: boolean;
  readonly problem?: WorkloadProblem;
}

/** A cause that keeps pods from serving. `stalls`: only a person can end it. */
export interface WorkloadProblem {
  readonly reason: StallOf<'WorkloadAvailable'>;
  readonly message: string;
  readonly stalls: boolean;
}

/** Reasons of failed pulls that no retry solves. */
const hopeless = new Set(['ErrImageNeverPull', 'InvalidImageName']);
const pullReasons = new Set(['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName']);

/**
 * The combined state of a tenant's Deployment, its pods and the reports of their sidecars.
 * @param reportOf Called for pods that are not ready.
 * @param servedRevision Revision of the template that has served before.
 */
export function workloadState(
  deployment: KubeObject | undefined,
  pods: readonly PodObject[],
  reportOf: (pod: PodObject) => ApiReport | undefined = () => undefined,
  servedRevision?: string | undefined,
): WorkloadState {
  const { metadata, spec, status } = (deployment ?? {}) as Partial<DeploymentObject>;
  const wanted = spec?.replicas ?? 0;
  const current = status?.observedGeneration !== undefined && status.observedGeneration >= (metadata?.generation ?? 0);
  const available = (status?.availableReplicas ?? 0) > 0;
  const settled =
    current && status?.updatedReplicas === wanted && status.availableReplicas === wanted && status.replicas === wanted && wanted > 0;
  const ofNow = current && (status.updatedReplicas ?? 0) > 0 ? newest(pods) : pods.filter((pod) => !isOfDeployment(pod));
  const cause = settled ? undefined : (problemOf(ofNow) ?? apiProblemOf(ofNow, reportOf, servedRevision) ?? refusalOf(status?.conditions));
  const overdue = !settled && current ? overdueOf(status?.conditions) : undefined;
  const problem = cause ? { ...cause, stalls: cause.stalls || stallsAtOnce(cause.reason) || overdue !== undefined } : overdue;
  return { available, settled, ...(problem ? { problem } : {}) };
}

const templateHash = 'pod-template-hash';

function isOfDeployment({ metadata }: PodObject): boolean {
  return metadata.labels?.[templateHash] !== undefined;
}

/** The pods of the newest roll-out. Faults of older pods may be solved already. */
function newest(pods: readonly PodObject[]): PodObject[] {
  const time = ({ metadata }: PodObject): number => Date.parse(metadata.creationTimestamp ?? '') || 0;
  const last = Math.max(0, ...pods.filter(isOfDeployment).map(time));
  const current = new Set(
    pods.filter((pod) => isOfDeployment(pod) && time(pod) === last).map(({ metadata }) => metadata.labels?.[templateHash]),
  );
  return pods.filter((pod) => !isOfDeployment(pod) || current.has(pod.metadata.labels?.[templateHash]));
}

/**
 * Whether all pods that run have the Secrets of `fingerprint` and the wanted pods are settled. Ended pods, such as evicted ones, are
 * ignored, because their objects may stay for weeks.
 */
export function isRolled({ settled }: WorkloadState, pods: readonly PodObject[], fingerprint: string, suspended: boolean): boolean {
  const ended = ({ status }: PodObject): boolean => status?.phase === 'Failed' || status?.phase === 'Succeeded';
  const serving = pods.filter((pod) => pod.metadata.labels?.[labels.component] === 'stack' && !ended(pod));
  const current = serving.every(({ metadata }) => metadata.annotations?.[secretsAnnotation] === fingerprint);
  return current && (suspended ? serving.length === 0 : settled);
}

/** Unready pods of the stack. Their sidecars may report the cause. */
export function unreadyPods(pods: readonly PodObject[]): PodObject[] {
  return stackPods(pods).filter((pod) => !isReady(pod));
}

/** A pod of the stack whose containers are all ready, if any. */
export function readyPod(pods: readonly PodObject[]): PodObject | undefined {
  return stackPods(pods).find(isReady);
}

function stackPods(pods: readonly PodObject[]): PodObject[] {
  return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined && metadata.labels?.[labels.component] === 'stack');
}

function isReady({ status }: PodObject): boolean {
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return containers.length > 0 && containers.every(({ ready }) => ready === true);
}

function apiProblemOf(
  pods: readonly PodObject[],
  reportOf: (pod: PodObject) => ApiReport | undefined,
  servedRevision: string | undefined,
): WorkloadProblem | undefined {
  const servedBefore = ({ metadata }: PodObject): boolean =>
    servedRevision !== undefined && metadata.annotations?.[revisionAnnotation] === servedRevision;
  return unreadyPods(pods)
    .map((pod) => apiProblem(reportOf(pod), servedBefore(pod)))
    .find((problem) => problem !== undefined);
}

function problemOf(pods: readonly PodObject[]): WorkloadProblem | undefined {
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
    if (unscheduled?.reason === 'Unschedulable') {
      return {
        reason: 'Unschedulable',
        message: `no node takes pod ${pod.metadata.name}: ${unscheduled.message ?? 'no details'} Give the cluster room, or lower the requests.`,
        stalls: false,
      };
    }
    for (const container of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
      const missing = missingProgram(container);
      if (missing !== undefined) return { reason: 'ProgramMissing', message: missing, stalls: true };
      if (crashLoops(container)) {
        const { name, namespace } = pod.metadata;
        return {
          reason: 'CrashLoop',
          message: `container ${container.name} keeps ending. Look at: kubectl logs -n ${namespace} ${name} -c ${container.name} --previous`,
          stalls: true,
        };
      }
      const waiting = container.state?.waiting;
      if (!waiting?.reason) continue;
      if (pullReasons.has(waiting.reason)) {
        return {
          reason: 'ImagePullFailed',
          message: `container ${container.name} cannot start (${waiting.reason}): ${waiting.message ?? 'no details'}. Correct the image in the template.`,
          stalls: hopeless.has(waiting.reason),
        };
      }
      if (waiting.reason === 'CreateContainerConfigError' || waiting.reason === 'CreateContainerError') {
        return {
          reason: 'ContainerRefused',
          message: `container ${container.name} cannot be made (${waiting.reason}): ${waiting.message ?? 'no details'}. Correct the template.`,
          stalls: false,
        };
      }
    }
  }
  return undefined;
}

/** The API server refuses the pods: a quota, Pod Security, or an admission policy of the cluster. */
function refusalOf(conditions: readonly PodCondition[] | undefined): WorkloadProblem | undefined {
  const failure = conditions?.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True');
  return (
    failure && { reason: 'PodsRefused', message: `the API server refuses the pods: ${failure.message ?? 'no details'}`, stalls: false }
  );
}

/** A roll-out that has taken longer than progressDeadlineSeconds. https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment */
function overdueOf(conditions: readonly PodCondition[] | undefined): WorkloadProblem | undefined {
  const progress = conditions?.find(({ type }) => type === 'Progressing');
  if (progress?.status !== 'False' || progress.reason !== 'ProgressDeadlineExceeded') return undefined;
  const remedy = remedyOf('WorkloadAvailable', 'ProgressDeadlineExceeded');
  return { reason: 'ProgressDeadlineExceeded', message: `The new pods did not get ready in time. ${remedy}`, stalls: true };
}

/** Longest run of a container whose end the kubelet still counts as another crash, in milliseconds. */
const shortRunMs = 10 * 60_000;

/**
 * Whether the container waits for its next start, or runs again after two crashes and is not ready yet. Without the second case the state
 * would change with each attempt.
 */
function crashLoops({ ready, restartCount = 0, state, lastState }: ContainerStatus): boolean {
  if (state?.waiting?.reason === 'CrashLoopBackOff') return true;
  const last = lastState?.terminated;
  if (ready === true || restartCount < 2 || last === undefined || last.exitCode === 0) return false;
  return Date.parse(last.finishedAt ?? '') - Date.parse(last.startedAt ?? '') < shortRunMs;
}
