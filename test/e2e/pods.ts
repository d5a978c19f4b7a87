import { namespaceOf } from '../../crds/names.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { World } from '../world.ts';

export interface ContainerStatus {
  readonly name: string;
  readonly containerID?: string;
  readonly restartCount: number;
  readonly ready: boolean;
}

export interface Pod extends KubeObject {
  readonly status?: {
    readonly podIP?: string;
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

const statusesOf = ({ status }: Pod): ContainerStatus[] => [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];

/** The pod of a tenant that serves. */
export async function podOf(world: World, tenant: string): Promise<Pod> {
  return servingPod(world, namespaceOf(tenant), 'app.kubernetes.io/component=stack');
}

/** The pod in a namespace with these labels all of whose containers are ready. */
export async function servingPod(world: World, namespace: string, labelSelector: string): Promise<Pod> {
  return world.eventually(`a serving pod in ${namespace}`, 60_000, async () => {
    const { items } = await world.kube.list<Pod>(kinds.Pod, { namespace, labelSelector });
    return items.find((pod) => pod.metadata.deletionTimestamp === undefined && statusesOf(pod).every(({ ready }) => ready));
  });
}

export function containerOf(pod: Pod, name: string): ContainerStatus & { readonly containerID: string } {
  const { containerID, ...status } = statusesOf(pod).find((candidate) => candidate.name === name) ?? { containerID: undefined };
  if (containerID === undefined) throw new Error(`${pod.metadata.name} has no container ${name} that was started`);
  return { ...(status as ContainerStatus), containerID };
}
