import { type Condition, conditionOfStall, remedyOf as remedyOfCondition } from '../../../crds/conditions.ts';
import { namespaceOf } from '../../../crds/names.ts';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import { type Cluster, type ContainerStatus, type Event, type Pod, timeOf } from '../cluster.ts';
import type { Commands } from '../commands.ts';
import { broken, type Finding, type Link, notChecked, ok } from '../link.ts';
import { asPermitted } from '../permitted.ts';
import type { KnownTenant, Scene } from '../scene.ts';
import { databaseFault } from './database.ts';

interface Deployment extends KubeObject {
  readonly spec?: { readonly replicas?: number };
}

/** Number of log lines shown of a failing container. */
const logLines = 8;
const shownEvents = 5;

/**
 * Checks that a pod serves, by its containers, restarts, last log lines and events. Without the cluster, it checks whether a pod answers
 * behind the gateway.
 */
export const podLink: Link = {
  name: 'pod',
  needs: [],
  async check(scene, reachable) {
    const { cluster, tenant } = scene;
    if (cluster === undefined || tenant === undefined) return lookFromOutside(scene, reachable, scene.noClusterBecause);
    const finding = named(await asPermitted(() => lookInside(cluster, tenant, scene.commands)), tenant);
    if (finding.state === 'not checked') return lookFromOutside(scene, reachable, finding.why);
    if (finding.state !== 'broken' || databaseFault(tenant) === undefined) return finding;
    return notChecked(`its database is not ready, and the pod waits for it: ${finding.fault}`, finding.seen);
  },
};

/** Replaces the fault with the operator's reason if it has one. The containers alone show only that they run. */
function named(finding: Finding, tenant: KnownTenant): Finding {
  const failed = failedRollout(tenant);
  const workload = failed ?? tenant.status.conditions?.find(({ type, status }) => type === 'WorkloadAvailable' && status === 'False');
  const known = workload !== undefined && conditionOfStall(workload.reason) !== undefined ? workload : undefined;
  if (finding.state !== 'broken' || known === undefined) return finding;
  const remedy = remedyOfCondition('WorkloadAvailable', known.reason) ?? finding.remedy;
  return { ...finding, fault: `${known.reason}: ${known.message}`, remedy, seen: [finding.fault, ...finding.seen] };
}

/** The condition Stalled of a failed roll-out, which only a person can resolve. A pod from before the roll-out may still serve. */
function failedRollout({ status }: KnownTenant): Condition | undefined {
  return status.conditions?.find(
    ({ type, status: holds, reason }) => type === 'Stalled' && holds === 'True' && conditionOfStall(reason) === 'WorkloadAvailable',
  );
}

/** Judges the pod by the answers of the endpoint. `because` is the reason why the cluster was not read. */
async function lookFromOutside(
  { outside, tenant, commands }: Scene,
  reachable: 'reachable' | 'unreachable',
  because: string,
): Promise<Finding> {
  const unseen = `the cluster is not looked into: ${because}`;
  const failed = tenant && failedRollout(tenant);
  if (failed !== undefined)
    return broken(`${failed.reason}: ${failed.message}`, remedyOfCondition('Stalled', failed.reason) ?? 'Follow the message.', [unseen]);
  if (outside === undefined || reachable === 'unreachable') return notChecked(`nothing answers from outside, and ${unseen}`);
  const { status } = await outside.metadata().catch(() => ({ status: 0 }));
  if (status === 404 || status === 0) return notChecked(`the route does not lead to the pod, and ${unseen}`);
  if (status === 502 || status === 503 || status === 504)
    return broken(
      `the gateway answers ${status}: no pod of the tenant serves behind it`,
      'Look into the cluster: diagnose with --kubeconfig. If the tenant is suspended, resume it.',
      [unseen],
      tenant === undefined ? [] : [commands.kubectl('get', 'pods', '--namespace', namespaceOf(tenant.name))],
    );
  return ok('it answers', unseen);
}

async function lookInside(cluster: Cluster, known: KnownTenant, commands: Commands): Promise<Finding> {
  const tenant = known.name;
  const [all, deployment] = await Promise.all([cluster.pods(tenant), cluster.find<Deployment>(kinds.Deployment, 'stack', tenant)]);
  const pods = all.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const seen = pods.flatMap(linesOf);
  if (pods.some(isReady) && failedRollout(known) === undefined) return ok(...seen);
  const events = (await cluster.events(tenant)).filter(({ type }) => type === 'Warning').slice(-shownEvents);
  const told = [...seen, ...events.map(lineOf)];
  const within = ['--namespace', namespaceOf(tenant)] as const;
  if (deployment === undefined)
    return broken('there is no Deployment', 'The operator makes it; the Tenant’s conditions say what it waits for.', told, [
      commands.kubectl('describe', 'tenant', tenant),
      commands.log('operator'),
    ]);
  if (deployment.spec?.replicas === 0)
    return broken('its Deployment wants no pods (replicas: 0)', 'Somebody has scaled it down: scale it up again.', told, [
      commands.kubectl('scale', ...within, 'deployment/stack', '--replicas=1'),
    ]);
  if (pods.length === 0)
    return broken('there is no pod', 'What keeps them from being made stands in the events.', told, [
      commands.kubectl('get', 'events', ...within),
    ]);
  const failing = pods
    .flatMap((pod) => statusesOf(pod).map((status) => ({ pod, status })))
    .filter(({ status }) => !status.ready && !isDone(status));
  const logs = await Promise.all(failing.map(({ pod, status }) => logOf(cluster, tenant, pod, status)));
  const [first] = failing;
  if (first === undefined) {
    const held = pods
      .find((pod) => !isReady(pod))
      ?.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
    return broken(
      held === undefined
        ? `pod ${pods[0]?.metadata.name} is ${pods[0]?.status?.phase ?? 'unknown'}`
        : `no node takes the pod: ${held.message}`,
      held === undefined
        ? 'What it waits for stands in its conditions and events.'
        : 'Give the cluster room, or the tenant smaller requests (spec.containers of the Tenant).',
      told,
      [commands.kubectl('describe', 'pods', ...within)],
    );
  }
  const [remedy, ...looking] = remedyOf(first.status, first.pod, within, commands);
  return broken(`container ${first.status.name}: ${stateOf(first.status)}`, remedy, [...told, ...logs.flat()], looking);
}

async function logOf(cluster: Cluster, tenant: string, pod: Pod, status: ContainerStatus): Promise<string[]> {
  const { name, restartCount } = status;
  const current = await cluster.log(tenant, pod.metadata.name, name, { lines: logLines });
  const text =
    current.trim() === '' && restartCount > 0
      ? await cluster.log(tenant, pod.metadata.name, name, { lines: logLines, previous: true })
      : current;
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `${name} | ${line.slice(0, 500)}`);
}

/** The remedy and its commands. */
function remedyOf(
  { name, state, lastState }: ContainerStatus,
  pod: Pod,
  within: readonly string[],
  commands: Commands,
): [remedy: string, ...commands: string[]] {
  const reason = state?.waiting?.reason ?? '';
  const describe = commands.kubectl('describe', 'pod', ...within, pod.metadata.name);
  if (/ImagePull|InvalidImage|ErrImage/.test(reason))
    return ['Correct the image in the StackTemplate, or let the cluster pull it (imagePullSecrets, registry).', describe];
  if ((state?.terminated ?? lastState?.terminated)?.reason === 'OOMKilled')
    return [`Give the container more memory: spec.containers.${name}.resources.limits.memory of the Tenant.`, describe];
  if (reason === 'CreateContainerConfigError') return ['A Secret or ConfigMap is missing.', describe];
  return [
    'The last lines of its log say why; here are all of them.',
    commands.kubectl('logs', ...within, pod.metadata.name, '--container', name),
  ];
}

function stateOf({ state, lastState, restartCount }: ContainerStatus): string {
  const { waiting, terminated, running } = state ?? {};
  const last = lastState?.terminated;
  const ended = last === undefined ? '' : `, ended last with ${last.exitCode}${last.reason === undefined ? '' : ` (${last.reason})`}`;
  const now =
    waiting !== undefined
      ? `waiting (${waiting.reason ?? 'no reason given'})${waiting.message === undefined ? '' : `: ${waiting.message}`}`
      : terminated !== undefined
        ? `ended with ${terminated.exitCode}${terminated.reason === undefined ? '' : ` (${terminated.reason})`}`
        : running !== undefined
          ? 'runs but is not ready'
          : 'not started';
  return `${now}, ${restartCount} restarts${ended}`;
}

const statusesOf = ({ status }: Pod): ContainerStatus[] => [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
const isDone = ({ state }: ContainerStatus): boolean => state?.terminated?.exitCode === 0;
const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: holds }) => type === 'Ready' && holds === 'True') ?? false;

function linesOf(pod: Pod): string[] {
  const containers = statusesOf(pod).map(
    (status) => `${status.name} ${status.ready || isDone(status) ? 'ready' : 'NOT ready'}, ${status.restartCount} restarts`,
  );
  return [`pod ${pod.metadata.name} (${pod.status?.phase ?? 'unknown'}): ${containers.join('; ') || 'no container yet'}`];
}

const lineOf = (event: Event): string => `event ${timeOf(event)} ${event.reason}: ${event.message}`;
