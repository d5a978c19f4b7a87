import { rfc3339 } from '../../crds/conditions.ts';
import { parseQuantity } from '../../crds/quantity.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import type { PodEvents } from './events.ts';
import { type Pod, unsupportedField } from './pod.ts';

export interface NodeOffer {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Readonly<Record<string, string>>;
}

/** Tells whether the pod waits for this scheduler. */
export function isPending(pod: Pod): boolean {
  return !pod.spec.nodeName && pod.metadata.deletionTimestamp === undefined;
}

/**
 * Returns why the pod can never run on this node. Undefined when it can. A developer's machine may be overcommitted: only the requests
 * of a single pod must fit.
 */
export function misfit(pod: Pod, node: NodeOffer): string | undefined {
  const unsupported = unsupportedField(pod);
  if (unsupported !== undefined)
    return `${unsupported}. The local cluster runs pods as processes of this machine; use a real cluster, such as kind`;
  const wanted: Record<string, number> = {};
  for (const container of pod.spec.containers) {
    for (const [name, quantity] of Object.entries(container.resources?.requests ?? {})) {
      wanted[name] = (wanted[name] ?? 0) + parseQuantity(quantity);
    }
  }
  const excess = Object.keys(wanted).find((name) => (wanted[name] ?? 0) > parseQuantity(node.capacity[name] ?? '0'));
  return excess === undefined ? undefined : `the pod requests more ${excess} than this machine has (${node.capacity[excess] ?? 'none'})`;
}

/** Binds the pod to the node, or reports the reason in its PodScheduled condition and in an Event. @throws KubeError that the caller may retry. */
export async function schedule(client: KubeClient, pod: Pod, node: NodeOffer, events: PodEvents, signal: AbortSignal): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  const reason = misfit(pod, node);
  try {
    if (reason === undefined) {
      const target = { apiVersion: 'v1', kind: 'Node', name: node.name };
      await client.post(
        kinds.Pod,
        name,
        'binding',
        { apiVersion: 'v1', kind: 'Binding', metadata: { name, uid }, target },
        { namespace, signal },
      );
      return;
    }
    const message = `0/1 nodes are available: ${reason}`;
    const before = pod.status?.conditions ?? [];
    if (before.some((condition) => condition.type === 'PodScheduled' && condition.message === message)) return;
    events.record(pod, 'Warning', 'FailedScheduling', message);
    const scheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime: rfc3339(new Date()) };
    const conditions = [scheduled, ...before.filter((condition) => condition.type !== 'PodScheduled')];
    await client.patch(kinds.Pod, name, { metadata: { uid }, status: { conditions } }, { namespace, subresource: 'status', signal });
  } catch (error) {
    // The pod is gone, or another client has bound it in the meantime.
    if (!(error instanceof KubeError) || (error.status !== 404 && error.status !== 409)) throw error;
  }
}
