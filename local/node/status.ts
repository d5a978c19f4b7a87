import type { ContainerHistory } from './container.ts';
import type { Container, ContainerStatus, Pod, PodCondition, PodStatus } from './pod.ts';
import type { Outcome } from './pod-containers.ts';

/** Progress of the agent with a pod. */
export interface Progress {
  readonly pod: Pod;
  readonly hostIp: string;
  /** Undefined until the pod has its address. */
  readonly podIp: string | undefined;
  readonly startTime: string;
  readonly initContainers: readonly ContainerStatus[];
  readonly containers: readonly ContainerStatus[];
  /** True when every sidecar has started. */
  readonly initialized: boolean;
  /** Set when the pod has finished. */
  readonly outcome: Outcome | undefined;
}

const owned = new Set(['PodScheduled', 'PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready']);

/** Returns the wanted status of the pod. Keeps the times of unchanged conditions, and the conditions of other writers. */
export function podStatusOf(progress: Progress, now: string): PodStatus {
  const { pod, podIp, hostIp, initContainers, containers, initialized, outcome, startTime } = progress;
  const unready = [...initContainers, ...containers].filter((status) => !status.ready).map((status) => status.name);
  const uninitialized = initContainers.filter((status) => !status.started).map((status) => status.name);
  const ready = readiness(outcome?.phase, initialized, unready);
  const previous = pod.status?.conditions ?? [];
  const conditions = [
    condition('PodReadyToStartContainers', podIp !== undefined && outcome === undefined),
    initialized
      ? condition('Initialized', true, outcome?.phase === 'Succeeded' ? 'PodCompleted' : undefined)
      : condition('Initialized', false, 'ContainersNotInitialized', `containers with incomplete status: [${uninitialized.join(' ')}]`),
    { ...ready, type: 'Ready' },
    { ...ready, type: 'ContainersReady' },
    condition('PodScheduled', true),
  ].map((next) => withTime(next, previous, now));
  return {
    phase: outcome?.phase ?? (initialized && containers.some(hasRun) ? 'Running' : 'Pending'),
    // A merge patch keeps a field that is left out. Null removes it.
    reason: outcome?.reason ?? null,
    message: outcome?.message ?? null,
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(podIp === undefined ? {} : { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime,
    conditions: [...conditions, ...previous.filter((existing) => !owned.has(existing.type))],
    ...(initContainers.length > 0 ? { initContainerStatuses: initContainers } : {}),
    containerStatuses: containers,
  };
}

function readiness(phase: 'Succeeded' | 'Failed' | undefined, initialized: boolean, unready: readonly string[]): PodCondition {
  if (phase === 'Succeeded') return condition('Ready', false, 'PodCompleted');
  if (phase === 'Failed') return condition('Ready', false, 'PodFailed');
  if (initialized && unready.length === 0) return condition('Ready', true);
  return condition('Ready', false, 'ContainersNotReady', `containers with unready status: [${unready.join(' ')}]`);
}

function condition(type: string, holds: boolean, reason?: string, message?: string): PodCondition {
  return {
    type,
    status: holds ? 'True' : 'False',
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  };
}

function withTime(next: PodCondition, previous: readonly PodCondition[], now: string): PodCondition {
  const before = previous.find((existing) => existing.type === next.type);
  return { ...next, lastTransitionTime: before?.status === next.status ? (before.lastTransitionTime ?? now) : now };
}

function hasRun(status: ContainerStatus): boolean {
  return status.state.waiting === undefined || status.restartCount > 0 || status.lastState.terminated !== undefined;
}

/** Status of a container that has not been started yet. */
export function notStarted(
  container: Container,
  waiting: { readonly reason: string; readonly message?: string },
  history: ContainerHistory | undefined,
): ContainerStatus {
  return {
    name: container.name,
    image: container.image,
    imageID: '',
    state: { waiting },
    lastState: history?.lastState ?? {},
    ready: false,
    started: false,
    restartCount: history === undefined ? 0 : history.restartCount - 1,
  };
}
