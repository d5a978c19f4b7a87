import { parseQuantity } from '../../crds/quantity.ts';
import type { Container, Pod } from './pod.ts';

/** Data of a Secret or ConfigMap. */
export type ObjectData = ReadonlyMap<string, Buffer>;

export type DataKind = 'Secret' | 'ConfigMap';

/** Reads a Secret or ConfigMap of the pod's namespace. Undefined when it does not exist. */
export type ReadData = (kind: DataKind, name: string) => Promise<ObjectData | undefined>;

/** An object that a pod refers to does not exist yet. Like Kubernetes, the agent waits for it. */
export class MissingReferenceError extends Error {
  override readonly name = 'MissingReferenceError';
}

/** Values of the downward API that are not in the Pod object. */
export interface PodFacts {
  readonly pod: Pod;
  readonly podIp: string;
  readonly hostIp: string;
  readonly nodeName: string;
  /** Replaces limits that are not set. */
  readonly capacity: Readonly<Record<string, string>>;
}

/**
 * Returns the environment of a container in the pod's order, with `$(VAR)` expanded: https://kubernetes.io/docs/tasks/inject-data-application/
 * @throws MissingReferenceError
 */
export async function environmentOf(container: Container, facts: PodFacts, read: ReadData): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const source of container.envFrom ?? []) {
    const [kind, ref] = source.secretRef ? (['Secret', source.secretRef] as const) : (['ConfigMap', source.configMapRef] as const);
    if (ref === undefined) continue;
    const data = await read(kind, ref.name);
    if (data === undefined && !ref.optional) throw missing(kind, ref.name);
    for (const [key, value] of data ?? []) env[`${source.prefix ?? ''}${key}`] = value.toString('utf8');
  }
  for (const variable of container.env ?? []) {
    const { valueFrom } = variable;
    if (valueFrom === undefined) {
      env[variable.name] = expand(variable.value ?? '', env);
      continue;
    }
    if (valueFrom.fieldRef) env[variable.name] = fieldOf(facts, valueFrom.fieldRef.fieldPath);
    else if (valueFrom.resourceFieldRef) env[variable.name] = resourceOf(facts, container, valueFrom.resourceFieldRef);
    else {
      const [kind, ref] = valueFrom.secretKeyRef
        ? (['Secret', valueFrom.secretKeyRef] as const)
        : (['ConfigMap', valueFrom.configMapKeyRef] as const);
      if (ref === undefined) continue;
      const data = await read(kind, ref.name);
      const value = data?.get(ref.key);
      if (value !== undefined) env[variable.name] = value.toString('utf8');
      else if (!ref.optional) throw missing(kind, ref.name, data && ref.key);
    }
  }
  return env;
}

export function missing(kind: DataKind, name: string, key?: string): MissingReferenceError {
  const what = kind === 'Secret' ? 'secret' : 'configmap';
  return new MissingReferenceError(key === undefined ? `${what} "${name}" not found` : `couldn't find key ${key} in ${what} "${name}"`);
}

/** Replaces `$(NAME)` by the variable's value and `$$` by `$`. An unknown name stays unchanged. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return Object.hasOwn(env, name) ? (env[name] ?? whole) : whole;
  });
}

/** Returns a field of the downward API. @throws Error for a path that Kubernetes does not support. */
export function fieldOf(facts: PodFacts, path: string): string {
  const { metadata, spec } = facts.pod;
  const entry = /^metadata\.(labels|annotations)\['([^']*)'\]$/.exec(path);
  if (entry) return (entry[1] === 'labels' ? metadata.labels : metadata.annotations)?.[entry[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return formatMap(metadata.labels);
    case 'metadata.annotations':
      return formatMap(metadata.annotations);
    case 'spec.nodeName':
      return facts.nodeName;
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? 'default';
    case 'status.podIP':
    case 'status.podIPs':
      return facts.podIp;
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIp;
    default:
      throw new Error(`the downward API has no field ${path}`);
  }
}

function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/** Returns a limit or request, rounded up in units of the divisor. Without a limit it is the node's capacity, as on a real node. */
export function resourceOf(
  facts: PodFacts,
  container: Container,
  selector: { readonly containerName?: string; readonly resource: string; readonly divisor?: string },
): string {
  const { pod, capacity } = facts;
  const of =
    selector.containerName === undefined
      ? container
      : [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((candidate) => candidate.name === selector.containerName);
  const [section, name = ''] = selector.resource.split('.');
  const limit = of?.resources?.limits?.[name] ?? capacity[name] ?? '0';
  const value = section === 'limits' ? limit : (of?.resources?.requests?.[name] ?? '0');
  const divisor = selector.divisor === undefined || selector.divisor === '0' ? 1 : parseQuantity(selector.divisor);
  return String(Math.ceil(parseQuantity(value) / divisor - 1e-9));
}
