import type { ContainerHistory } from './container.ts';
import type { ContainerState, ContainerStatus, Pod } from './pod.ts';

/**
 * What the API server remembers of a container from an earlier run of the agent. Its process was ended with that run, so the start to
 * come is a restart. Undefined when it never ran.
 */
export function historyOf(pod: Pod, container: string, now: string): ContainerHistory | undefined {
  const before = statusOf(pod, container);
  if (before === undefined || !hasRun(before)) return undefined;
  return { restartCount: before.restartCount + 1, lastState: endOf(before, now) };
}

/**
 * Statuses of a pod that may not run again: its restart policy is Never, and a container of it ran when the agent stopped. Undefined
 * for every other pod.
 */
export function lostStatuses(pod: Pod, now: string): ContainerStatus[] | undefined {
  if (pod.spec.restartPolicy !== 'Never') return undefined;
  const statuses = pod.spec.containers.flatMap(({ name }) => statusOf(pod, name) ?? []);
  if (!statuses.some(hasRun)) return undefined;
  return statuses.map((status) => ({ ...status, ready: false, started: false, state: endOf(status, now) }));
}

function statusOf(pod: Pod, container: string): ContainerStatus | undefined {
  return [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(({ name }) => name === container);
}

function hasRun(status: ContainerStatus): boolean {
  return status.state.running !== undefined || status.state.terminated !== undefined || status.lastState.terminated !== undefined;
}

function endOf(status: ContainerStatus, now: string): ContainerState {
  const { running, terminated } = status.state;
  if (terminated !== undefined) return { terminated };
  if (running === undefined) return status.lastState;
  return {
    terminated: {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'the process was ended when the node agent was started again',
      startedAt: running.startedAt,
      finishedAt: now,
      ...(status.containerID === undefined ? {} : { containerID: status.containerID }),
    },
  };
}
