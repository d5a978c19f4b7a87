import type { KubeObject } from '../../kube/resources.ts';
import { containersOf, type Pod } from '../node/pod.ts';
import type { Backend } from './routes.ts';

export interface Service extends KubeObject {
  readonly spec?: {
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly targetPort?: number | string }[];
  };
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Returns the addresses of the ready pods behind a Service's port. Other clusters read them from EndpointSlices, which refuse loopback
 * addresses. `pods` are the pods of the Service's namespace.
 */
export function endpointsOf(backend: Backend, service: Service | undefined, pods: Iterable<Pod>): Endpoint[] {
  const selector = Object.entries(service?.spec?.selector ?? {});
  const port = service?.spec?.ports?.find((candidate) => candidate.port === backend.port || candidate.name === backend.port);
  if (selector.length === 0 || port === undefined) return [];
  const target = port.targetPort || port.port;
  const endpoints: Endpoint[] = [];
  for (const pod of pods) {
    const host = pod.status?.podIP;
    if (host === undefined || !isReady(pod) || !selector.every(([key, value]) => pod.metadata.labels?.[key] === value)) continue;
    const number = portNumber(pod, target);
    if (number !== undefined) endpoints.push({ host, port: number });
  }
  return endpoints;
}

function isReady(pod: Pod): boolean {
  const ready = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  return ready && pod.metadata.deletionTimestamp === undefined;
}

function portNumber(pod: Pod, target: number | string): number | undefined {
  if (typeof target === 'number') return target;
  const ports = containersOf(pod).flatMap((container) => container.ports ?? []);
  return ports.find(({ name }) => name === target)?.containerPort;
}
