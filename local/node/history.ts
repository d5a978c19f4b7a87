import type { ContainerHistory } from './container.ts';
import type { ContainerState, ContainerStatus, Pod } from './pod.ts';

/**
 * Returns a container's state from an earlier run of the agent, read from the pod's status. The process ended with that run, so the
 * upcoming start is a restart. Undefined when the container never ran.
 */
export function historyOf(pod: Pod, container: string, now: string): ContainerHistory | undefined {
  const before = statusOf(pod, container);
  if (before === undefined || !hasRun(before)) return undefined;
  return { restartCount: before.restartCount + 1, lastState: endOf(before, now) };
}

/**
 * Returns the statuses of a pod that must not run again: its restart policy is Never, and one of its containers ran when the agent
 * stopped. Undefined for every other pod.
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
