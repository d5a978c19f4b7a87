import { isTrue } from '../../crds/conditions.ts';
import { annotations, endpointsOf, finalizers, labels, namespaceOf } from '../../crds/names.ts';
import { revisionOf } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { type DomainStatus, domainsOf } from '../domains/domain-status.ts';
import { originOf } from '../installation/domain-endpoints.ts';
import { routeKind } from '../objects/kinds.ts';
import { fieldManager } from '../objects/names.ts';
import type { Blueprint } from '../render/blueprint.ts';
import { domainRouteName } from '../render/domain-route.ts';
import { renderNamespace, renderSecretsAccess } from '../render/namespace.ts';
import { renderTenant } from '../render/tenant.ts';
import { rotationStatus } from '../secrets/rotation.ts';
import { resolveTemplate } from '../templates/resolve.ts';
import { advanceRotation } from './advance-rotation.ts';
import { type Context, type RequeueAfter, sweepMs } from './context.ts';
import { currentSecrets, isForbidden } from './current-secrets.ts';
import { appliedTo, covers, marked } from './drift.ts';
import { ensureDatabase } from './ensure-database.ts';
import { finalize } from './finalize.ts';
import { type Action, plan } from './plan.ts';
import { keepKeys } from './publish-keys.ts';
import { releaseDomains } from './release-domains.ts';
import { type RouteState, routeProblem, routeState } from './route-state.ts';
import { type Blocked, type Findings, hadSecrets, type KeysProblem, statusOf, wasReady } from './status.ts';
import { keepSuspended } from './suspension.ts';
import { currentVerification } from './verification.ts';
import { unreadyPods, type WorkloadState, workloadState } from './workload-state.ts';
import { writeStatus } from './write-status.ts';

/** Time until the next pass over a tenant that has served and does not serve now, in milliseconds. */
const recoveryMs = 10_000;
/** Time for which a refusal for lack of permissions is only retried, in milliseconds. */
const refusalGraceMs = 15_000;

/** One reconcile of a tenant: observe, plan, apply, report. */
export async function reconcile(tenant: Tenant, context: Context, signal: AbortSignal): Promise<RequeueAfter> {
  if (tenant.metadata.deletionTimestamp !== undefined) return finalize(tenant, context, signal);
  let known = keep(tenant, context);
  const learned = (found: Findings): void => {
    known = { ...known, ...found };
  };
  const [passed] = await Promise.allSettled([isPaused(tenant) ? paused(tenant, context) : advance(tenant, context, signal, learned)]);
  const [stopped] = await Promise.allSettled([isPaused(tenant) ? undefined : keepSuspended(tenant, context, signal)]);
  const keys = await keysKept(tenant, context, signal);
  const report = (findings: Findings): Promise<void> =>
    writeStatus(tenant, statusOf(tenant, { ...findings, keysProblem: keys.problem }, context.now), context, signal);
  if (passed.status === 'rejected' || stopped.status === 'rejected') {
    const { reason } = passed.status === 'rejected' ? passed : (stopped as PromiseRejectedResult);
    const refusal = refusalOf(reason, tenant, context);
    if (refusal || keys.problem) await report({ ...known, ...(refusal ? { blocked: refusal } : {}) });
    throw reason;
  }
  await report(passed.value.findings);
  if ('error' in keys) throw keys.error;
  context.memory.refused.delete(tenant.metadata.uid ?? '');
  return passed.value.requeueAfterMs;
}

const isPaused = ({ metadata }: Tenant): boolean => metadata.annotations?.[annotations.reconcile] === 'paused';

async function paused(tenant: Tenant, context: Context): Promise<Outcome> {
  const message = `Reconciliation is paused; remove the annotation ${annotations.reconcile} to resume it.`;
  return { findings: { ...keep(tenant, context), blocked: { reason: 'Paused', message } }, requeueAfterMs: undefined };
}

/** Keeps the file of keys up to date. If that fails, returns the problem for the status. */
async function keysKept(
  tenant: Tenant,
  context: Context,
  signal: AbortSignal,
): Promise<{ problem?: KeysProblem | undefined; error?: unknown }> {
  try {
    return { problem: await keepKeys(tenant, context, signal) };
  } catch (error) {
    // A retry solves stale reads. While the API server does not answer, the status cannot be written.
    if (!(error instanceof KubeError) || error.stale || error.status === 0 || mayPass(error, tenant, context)) return { error };
    const message = `The pods' file of API keys could not be written, so revoked keys may work on: ${error.message}`;
    return { problem: { reason: 'KeysNotWritten', message }, error };
  }
}

/** Retries cannot solve a refusal by the API server, so the status asks a person to act. */
function refusalOf(error: unknown, tenant: Tenant, context: Context): Blocked | undefined {
  if (!(error instanceof KubeError) || error.retryable || error.stale || mayPass(error, tenant, context)) return undefined;
  const message = `The Kubernetes API refused an object: ${error.message}. Correct the tenant or its template.`;
  return { reason: 'ApplyRefused', message };
}

/**
 * Whether the refusal may pass by itself. In the first seconds after its start an API server has not read its roles yet and refuses
 * permitted requests.
 */
function mayPass(error: KubeError, { metadata }: Tenant, { memory, now }: Context): boolean {
  if (!isForbidden(error)) return false;
  const { uid = '' } = metadata;
  const since = memory.refused.get(uid) ?? now().getTime();
  memory.refused.set(uid, since);
  return now().getTime() - since < refusalGraceMs;
}

interface Outcome {
  readonly findings: Findings;
  readonly requeueAfterMs: RequeueAfter;
}

/** Calls `learned` with each finding at once, so that findings survive an error in a later step. */
async function advance(tenant: Tenant, context: Context, signal: AbortSignal, learned: (findings: Findings) => void): Promise<Outcome> {
  const { settings, children } = context;
  const { name, uid = '' } = tenant.metadata;
  if (!tenant.metadata.finalizers?.includes(finalizers.operator)) await addFinalizer(tenant, context, signal);
  await releaseDomains(tenant, context, signal);
  const resolved = resolveTemplate(tenant, context.templates);
  if ('reason' in resolved) {
    const domains = (tenant.status?.domains ?? []).filter(({ domain }) => tenant.spec.domains?.includes(domain));
    return { findings: { ...keep(tenant, context), domains, blocked: resolved }, requeueAfterMs: undefined };
  }
  const { template, parameters } = resolved;
  const endpoints = endpointsOf(name, settings.addressing, template.spec.publicApi ?? false);
  const revision = revisionOf(template.spec);
  const currentDomains = (): DomainStatus[] =>
    domainsOf(tenant, context.domains, settings.addressing, template.spec.publicApi ?? false, (domain) =>
      routeProblem(routeOf(name, context, domainRouteName(domain))),
    );
  const domains = currentDomains();
  const base: Findings = { ...keep(tenant, context), endpoints, revision, domains };
  learned(base);

  const wantsDatabase = template.spec.database !== undefined && tenant.spec.database?.mode !== 'none';
  if (wantsDatabase && !context.database) {
    const message =
      'The template wants a database but no PostgreSQL server is configured: give the operator one, or set spec.database.mode to none.';
    return { findings: { ...base, databaseProblem: { reason: 'NoServer', message } }, requeueAfterMs: undefined };
  }

  const namespace = await ensureNamespace(tenant, context, signal);
  if ('reason' in namespace) return { findings: { ...base, blocked: namespace }, requeueAfterMs: undefined };
  const server = wantsDatabase ? context.database : undefined;
  let secrets = await currentSecrets(tenant, template.spec, namespace, server, context, signal);
  learned({ secrets: true });
  const database = await ensureDatabase(tenant, secrets, server, context, signal);
  if ('reason' in database) {
    return { findings: { ...base, secrets: true, databaseProblem: database }, requeueAfterMs: 5_000 };
  }

  // The server has accepted the next login by now.
  if (secrets.staged) secrets = await currentSecrets(tenant, template.spec, namespace, server, context, signal);
  learned({ database: database.placed });
  const blueprint: Blueprint = {
    tenant,
    uid,
    template,
    revision,
    parameters,
    endpoints,
    domains: domains.filter(({ state }) => state === 'Verified').map(({ domain }) => originOf(domain, settings.addressing)),
    settings,
    database: server !== undefined,
    generatedKeys: secrets.generatedKeys,
    secretsFingerprint: secrets.fingerprint,
  };
  const { actions, migration } = plan(renderTenant(blueprint), children.of(name), uid, routeOf(name, context) === 'routed');
  for (const action of actions) await act(action, tenant, context, signal);

  const deployment = children.find(name, kinds.Deployment, namespaceOf(name), 'stack');
  const workload = workloadOf(tenant, context);
  const rotation = rotationStatus(tenant, secrets.rotation);
  const found: Findings = {
    ...base,
    secrets: true,
    database: database.placed,
    migration,
    workload,
    route: routeOf(name, context),
    rotation,
    domains: currentDomains(),
  };
  const verified = await currentVerification(tenant, found, appliedTo(deployment), secrets, context, signal);
  const findings = verified.verification ? { ...found, verification: verified.verification } : found;
  const sweep = wasReady(tenant) && !workload.available && !tenant.spec.suspended ? recoveryMs : sweepMs * (0.8 + 0.4 * context.random());
  const rotated = await advanceRotation(tenant, secrets, server, workload, context, signal);
  return {
    findings,
    requeueAfterMs: Math.min(verified.requeueAfterMs ?? sweep, rotated ?? sweep, reportDue(name, workload, context) ?? sweep, sweep),
  };
}

function workloadOf({ metadata: { name }, status }: Tenant, { children, podReports }: Context): WorkloadState {
  const deployment = children.find(name, kinds.Deployment, namespaceOf(name), 'stack');
  return workloadState(deployment, children.podsOf(name), (pod) => podReports.latest(name, pod), status?.template?.revision);
}

/** Milliseconds until the next report of an unready pod is due. */
function reportDue(tenant: string, { settled }: WorkloadState, { children, podReports }: Context): RequeueAfter {
  if (settled) return undefined;
  const due = unreadyPods(children.podsOf(tenant)).map((pod) => podReports.dueIn(pod) ?? Number.POSITIVE_INFINITY);
  const next = Math.min(...due);
  return Number.isFinite(next) ? next : undefined;
}

/** Findings that stay valid while the operator cannot proceed with a tenant. */
function keep(tenant: Tenant, context: Context): Findings {
  const { children } = context;
  const { name } = tenant.metadata;
  const deployment = children.find(name, kinds.Deployment, namespaceOf(name), 'stack');
  if (!deployment) return {};
  return {
    secrets: hadSecrets(tenant),
    workload: workloadOf(tenant, context),
    route: routeOf(name, context),
    ...(isTrue(tenant.status?.conditions, 'DatabaseReady')
      ? { database: tenant.status?.database ?? 'none', migration: 'succeeded' as const }
      : {}),
  };
}

function routeOf(tenant: string, { children, settings }: Context, route = 'stack'): RouteState | undefined {
  return routeState(children.find(tenant, routeKind(settings), namespaceOf(tenant), route), settings);
}

async function ensureNamespace(tenant: Tenant, context: Context, signal: AbortSignal): Promise<Blocked | KubeObject> {
  const { client, children } = context;
  const { name, uid } = tenant.metadata;
  const wanted = renderNamespace(tenant);
  const cached = children.find(name, kinds.Namespace, undefined, namespaceOf(name));
  // A namespace of another owner has no label of the operator, so the cache does not contain it.
  const live = cached ?? (await client.find<KubeObject>(kinds.Namespace, namespaceOf(name), { signal }));
  if (live && live.metadata.labels?.[labels.tenantUid] !== uid) {
    return {
      reason: 'NamespaceConflict',
      message: `Namespace ${namespaceOf(name)} exists and belongs to something else: delete it, or choose another name for the tenant.`,
    };
  }
  if (live?.metadata.deletionTimestamp !== undefined)
    throw new KubeError(409, 'Conflict', `namespace ${namespaceOf(name)} is being deleted`);
  const object = marked(wanted);
  const namespace = live && covers(live, object) ? live : await client.apply<KubeObject>(kinds.Namespace, object, { fieldManager, signal });
  children.learn(name, kinds.Namespace, namespace);
  const access = renderSecretsAccess(tenant, context.settings);
  const binding = children.find(name, kinds.RoleBinding, namespaceOf(name), access.object.metadata.name);
  if (!binding || !covers(binding, marked(access)))
    await act({ verb: 'apply', resource: access.resource, object: marked(access) }, tenant, context, signal);
  return namespace;
}

async function act(action: Action, tenant: Tenant, { client, children, events, log }: Context, signal: AbortSignal): Promise<void> {
  const { resource, object } = action;
  const { name, namespace, uid } = object.metadata;
  log.debug({ tenant: tenant.metadata.name, verb: action.verb, kind: resource.kind, name }, 'child written');
  if (action.verb === 'delete') {
    await client.delete(resource, name, { namespace, ...(uid ? { uid } : {}), propagationPolicy: 'Background', signal });
    return;
  }
  const missing = !children.find(tenant.metadata.name, resource, namespace, name);
  children.learn(tenant.metadata.name, resource, await client.apply<KubeObject>(resource, object, { fieldManager, signal }));
  if (missing && wasReady(tenant) && resource.kind !== 'Job') {
    await events.record(tenant, 'Normal', 'Repaired', `${resource.kind} ${name} was missing and is back.`);
  }
}

async function addFinalizer(tenant: Tenant, { client, learn }: Context, signal: AbortSignal): Promise<void> {
  const { name, resourceVersion, finalizers: present = [] } = tenant.metadata;
  const patch = { metadata: { resourceVersion, finalizers: [...present, finalizers.operator] } };
  learn(await client.patch<Tenant>(kinds.Tenant, name, patch, { fieldManager, signal }));
}
