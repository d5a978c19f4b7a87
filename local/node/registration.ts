import { availableParallelism, hostname, release, totalmem, version } from 'node:os';
import { rfc3339 } from '../../crds/conditions.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { Log } from '../machine/process.ts';
import type { NodeOffer } from './scheduler.ts';

const leaseNamespace = 'kube-node-lease';
const leaseSeconds = 40;

export const nodeName = 'tenantry-local';
export const hostIp = '127.0.0.1';

/** Describes this machine as a node. The limit `pods` is a number that the loopback addresses and the API server handle easily. */
export function offerOfThisMachine(): NodeOffer {
  return {
    name: nodeName,
    labels: {
      'kubernetes.io/hostname': nodeName,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': process.arch === 'x64' ? 'amd64' : process.arch,
      'node.kubernetes.io/instance-type': 'local-processes',
    },
    capacity: {
      cpu: String(availableParallelism()),
      memory: `${Math.floor(totalmem() / 1024)}Ki`,
      pods: '2000',
      'ephemeral-storage': '100Gi',
    },
  };
}

/** Creates or completes the Node object, and marks it ready. @throws KubeError */
export async function registerNode(client: KubeClient, offer: NodeOffer, kubeletPort: number, signal: AbortSignal): Promise<void> {
  const existing = await client.find(kinds.Node, offer.name, { signal });
  if (existing === undefined) await client.create(kinds.Node, { metadata: { name: offer.name, labels: offer.labels } }, { signal });
  else await client.patch(kinds.Node, offer.name, { metadata: { labels: offer.labels } }, { signal });
  await declareReady(client, offer, kubeletPort, signal);
}

/** @throws KubeError */
export async function declareReady(client: KubeClient, offer: NodeOffer, kubeletPort: number, signal: AbortSignal): Promise<void> {
  await client.patch(kinds.Node, offer.name, { status: statusOf(offer, kubeletPort) }, { subresource: 'status', signal });
}

interface Node extends KubeObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Marks the node ready again when another client marks it not ready, as the controller manager does after this machine has slept. */
export function watchNode(client: KubeClient, offer: NodeOffer, kubeletPort: number, log: Log, signal: AbortSignal): Promise<void> {
  const reflector = new Reflector<Node>({
    client,
    resource: kinds.Node,
    fieldSelector: `metadata.name=${offer.name}`,
    onChange: (_key, current) => {
      const ready = current?.status?.conditions?.find(({ type }) => type === 'Ready');
      if (current === undefined || ready === undefined || ready.status === 'True') return;
      declareReady(client, offer, kubeletPort, signal).catch((error: unknown) => {
        if (!signal.aborted) log.warn({ err: error }, 'node not declared ready');
      });
    },
    onError: (error) => log.debug({ err: error }, 'watch of the node failed, trying again'),
  });
  return reflector.start(signal);
}

function statusOf(offer: NodeOffer, kubeletPort: number) {
  const now = rfc3339(new Date());
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  return {
    capacity: offer.capacity,
    allocatable: offer.capacity,
    addresses: [
      { type: 'InternalIP', address: hostIp },
      { type: 'Hostname', address: hostname() },
    ],
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'memory is not watched'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'disk space is not watched'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'processes are not counted'),
      condition('Ready', 'True', 'KubeletReady', 'the node agent runs pods as local processes'),
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
    nodeInfo: {
      machineID: '',
      systemUUID: '',
      bootID: '',
      kernelVersion: release(),
      osImage: version(),
      containerRuntimeVersion: 'process://1',
      kubeletVersion: 'v1.34.4+tenantry',
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: offer.labels['kubernetes.io/arch'] ?? '',
    },
  };
}

/** Renews the node's Lease. Without this heartbeat the controller manager marks the node as unreachable after 40 s. @throws KubeError */
export async function renewLease(client: KubeClient, offer: NodeOffer, signal: AbortSignal): Promise<void> {
  // MicroTime requires six digits.
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: offer.name, leaseDurationSeconds: leaseSeconds, renewTime };
  const at = { namespace: leaseNamespace, signal };
  const existing = await client.find<KubeObject>(kinds.Lease, offer.name, at);
  if (existing !== undefined) await client.patch(kinds.Lease, offer.name, { spec }, at);
  else {
    const lease: KubeObject & { spec: object } = { metadata: { name: offer.name, namespace: leaseNamespace }, spec };
    await client.create(kinds.Lease, lease, at);
  }
}
