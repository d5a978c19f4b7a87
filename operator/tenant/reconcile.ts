import { isTrue } from '../../crds/conditions.ts';
import { containerFaults } from '../../crds/containers.ts';
import { annotations, databaseNames, endpointsOf, finalizers, labels, namespaceOf } from '../../crds/names.ts';
import { checkParameters, type Fault } from '../../crds/parameters.ts';
import { canonicalJson, revisionOf, type StackTemplate } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { DatabaseServer } from '../database/server.ts';
import type { Blueprint } from '../render/blueprint.ts';
import { renderNamespace, renderSecretsAccess } from '../render/namespace.ts';
import { renderTenant } from '../render/tenant.ts';
import { finish, retire, rotationStep, switchLogin } from '../secrets/advance.ts';
import { recordOfObject, validKeys } from '../secrets/key-file.ts';
import { dueRotation, nextRotation, rotationStatus } from '../secrets/rotation.ts';
import { ensureSecrets, type SecretsState } from '../secrets/secrets.ts';
import { SecretStore } from '../secrets/stored-secret.ts';
import { type Again, type Context, fieldManager, writeStatus } from './context.ts';
import { covers, marked } from './drift.ts';
import { finalize } from './finalize.ts';
import { type Action, plan } from './plan.ts';
import { type RouteState, routeKind, routeState } from './route.ts';
import { type Blocked, type Findings, statusOf, type Verification, wasReady } from './status.ts';
import { verify } from './verify.ts';
import { isRolled, type WorkloadState, workloadState } from './workload.ts';

const sweepMs = 5 * 60_000;
/** How often a tenant is looked after that served and does not. */
const recoveryMs = 10_000;
/** How long a refusal for want of rights is only retried. */
const refusalGraceMs = 15_000;
const verifyEveryMs = 60 * 60_000;
const verifyRetryMs = { first: 250, longest: 30_000 };

/** One pass over a tenant: observe, plan, apply, report. */
export async function reconcile(tenant: Tenant, context: Context, signal: AbortSignal): Promise<Again> {
  if (tenant.metadata.deletionTimestamp !== undefined) return finalize(tenant, context, signal);
  if (tenant.metadata.annotations?.[annotations.reconcile] === 'paused') {
    const message = `Reconciliation is paused; remove the annotation ${annotations.reconcile} to resume it.`;
    return pausedStatus(tenant, { reason: 'Paused', message }, context, signal);
  }
  if (!tenant.metadata.finalizers?.includes(finalizers.operator)) await addFinalizer(tenant, context, signal);
  let known = keep(tenant, context);
  const report = (findings: Findings): Promise<void> => writeStatus(tenant, statusOf(tenant, findings, context.now), context, signal);
  try {
    const { findings, again } = await advance(tenant, context, signal, (found) => {
      known = { ...known, ...found };
    });
    await report(findings);
    context.memory.refused.delete(tenant.metadata.uid ?? '');
    return again;
  } catch (error) {
    // No retry will mend what the API server refuses: a person has to be told.
    if (error instanceof KubeError && !error.retryable && !error.stale && !mayPass(error, tenant, context)) {
      const message = `The Kubernetes API refused an object: ${error.message}. Correct the tenant or its template.`;
      await report({ ...known, blocked: { reason: 'ApplyRefused', message } });
    }
    throw error;
  }
}

/** For some seconds after its start an API server refuses what it later grants: it has not read its roles yet. */
function mayPass(error: KubeError, { metadata }: Tenant, { memory, now }: Context): boolean {
  if (!isForbidden(error)) return false;
  const { uid = '' } = metadata;
  const since = memory.refused.get(uid) ?? now().getTime();
  memory.refused.set(uid, since);
  return now().getTime() - since < refusalGraceMs;
}

/** `learned` is told of each finding as it comes, for when a later step throws. */
async function advance(
  tenant: Tenant,
  context: Context,
  signal: AbortSignal,
  learned: (findings: Findings) => void,
): Promise<{ findings: Findings; again: Again }> {
  const { settings, children } = context;
  const { name, uid = '' } = tenant.metadata;
  const resolved = resolve(tenant, context);
  if ('reason' in resolved) return { findings: { ...keep(tenant, context), blocked: resolved }, again: undefined };
  const { template, parameters } = resolved;
  const endpoints = endpointsOf(name, settings.addressing, template.spec.publicApi ?? false);
  const revision = revisionOf(template.spec);
  const base: Findings = { ...keep(tenant, context), endpoints, revision };
  learned(base);

  const wantsDatabase = template.spec.database !== undefined && tenant.spec.database?.mode !== 'none';
  if (wantsDatabase && !context.database) {
    const message =
      'The template wants a database but no PostgreSQL server is configured: give the operator one, or set spec.database.mode to none.';
    return { findings: { ...base, databaseProblem: { reason: 'NoServer', message } }, again: undefined };
  }

  const namespace = await ensureNamespace(tenant, context, signal);
  if ('reason' in namespace) return { findings: { ...base, blocked: namespace }, again: undefined };
  const server = wantsDatabase ? context.database : undefined;
  let secrets = await currentSecrets(tenant, template, namespace, server, context, signal);
  learned({ secrets: true });
  const database = await ensureDatabase(tenant, secrets, server, context, signal);
  if ('reason' in database) {
    return { findings: { ...base, secrets: true, databaseProblem: database }, again: 5_000 };
  }

  // The server has taken the next login by now.
  if (secrets.staged) secrets = await currentSecrets(tenant, template, namespace, server, context, signal);
  learned({ database: database.placed });
  const blueprint: Blueprint = {
    tenant,
    uid,
    template,
    revision,
    parameters,
    endpoints,
    domains: [],
    settings,
    database: server !== undefined,
    generatedKeys: secrets.generatedKeys,
    secretsFingerprint: secrets.fingerprint,
  };
  const { actions, migration } = plan(renderTenant(blueprint), children.of(name), uid, routeOf(name, context) === 'routed');
  for (const action of actions) await act(action, tenant, context, signal);

  const deployment = children.find(name, kinds.Deployment, namespaceOf(name), 'stack');
  const workload = workloadState(deployment, children.podsOf(name));
  const rotation = rotationStatus(tenant, secrets.rotation);
  const found: Findings = {
    ...base,
    secrets: true,
    database: database.placed,
    migration,
    workload,
    route: routeOf(name, context),
    rotation,
  };
  const verified = await currentVerification(tenant, found, secrets, context, signal);
  const findings = verified.verification ? { ...found, verification: verified.verification } : found;
  const sweep = wasReady(tenant) && !workload.available && !tenant.spec.suspended ? recoveryMs : sweepMs * (0.8 + 0.4 * context.random());
  const rotated = await advanceRotation(tenant, secrets, server, workload, context, signal);
  return { findings, again: Math.min(verified.again ?? sweep, rotated ?? sweep, sweep) };
}

/** What stays true of a tenant that the operator cannot get on with. */
function keep(tenant: Tenant, context: Context): Findings {
  const { children } = context;
  const { name } = tenant.metadata;
  const deployment = children.find(name, kinds.Deployment, namespaceOf(name), 'stack');
  if (!deployment) return {};
  return {
    secrets: isTrue(tenant.status?.conditions, 'SecretsReady'),
    workload: workloadState(deployment, children.podsOf(name)),
    route: routeOf(name, context),
    ...(isTrue(tenant.status?.conditions, 'DatabaseReady')
      ? { database: tenant.status?.database ?? 'none', migration: 'succeeded' as const }
      : {}),
  };
}

function routeOf(tenant: string, { children, settings }: Context): RouteState | undefined {
  return routeState(children.find(tenant, routeKind(settings), namespaceOf(tenant), 'stack'), settings);
}

function resolve(tenant: Tenant, context: Context): Blocked | { template: StackTemplate; parameters: Readonly<Record<string, unknown>> } {
  const wanted = tenant.spec.template.name;
  const template = context.template(wanted);
  if (!template) {
    return {
      reason: 'TemplateNotFound',
      message: `StackTemplate ${wanted} does not exist: apply it, or see what there is with kubectl get stacktemplates.`,
    };
  }
  const checked = checkParameters(template.spec.parameters, tenant.spec.parameters);
  if (!checked.ok) {
    return { reason: 'ParametersInvalid', message: `The parameters do not fit template ${wanted}: ${told(checked.faults)}.` };
  }
  const wrong = containerFaults(template.spec, tenant.spec.containers);
  if (wrong.length > 0) return { reason: 'ContainersInvalid', message: `The containers do not fit template ${wanted}: ${told(wrong)}.` };
  return { template, parameters: checked.parameters };
}

function told(faults: readonly Fault[]): string {
  return faults.map((fault) => `${fault.pointer} ${fault.message}`).join('; ');
}

async function ensureNamespace(tenant: Tenant, context: Context, signal: AbortSignal): Promise<Blocked | KubeObject> {
  const { client, children } = context;
  const { name, uid } = tenant.metadata;
  const wanted = renderNamespace(tenant);
  const cached = children.find(name, kinds.Namespace, undefined, namespaceOf(name));
  // One that is not ours carries none of our labels, so the cache does not show it.
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

async function currentSecrets(
  tenant: Tenant,
  template: StackTemplate,
  namespace: KubeObject,
  server: DatabaseServer | undefined,
  context: Context,
  signal: AbortSignal,
): Promise<SecretsState> {
  const { memory, now } = context;
  const key = tenant.metadata.uid ?? '';
  const keys = validKeys(context.apiKeys(tenant.metadata.name), key, namespace.metadata.creationTimestamp ?? '').map(recordOfObject);
  const contents = canonicalJson([
    namespace.metadata.uid,
    template.spec.secrets ?? [],
    server?.name ?? '',
    keys,
    tenant.spec.secrets ?? {},
  ]);
  const known = memory.secrets.get(key);
  const fresh = known && known.until > now().getTime() && known.contents === contents;
  if (fresh && !known.state.staged && !dueRotation(tenant, known.state.rotation, now())) return known.state;
  const store = new SecretStore(context.client, tenant, signal);
  const wanted = { tenant, template: template.spec, server, keys, now: now() };
  const state = await whenAccessible(() => ensureSecrets(wanted, store), signal);
  memory.secrets.set(key, { state, contents, until: now().getTime() + sweepMs * (0.7 + 0.2 * context.random()) });
  if (state.created.length > 0 && isTrue(tenant.status?.conditions, 'SecretsReady')) {
    await context.events.record(
      tenant,
      'Warning',
      'SecretsRegenerated',
      `Secrets were missing and got new values: ${state.created.join(', ')}.`,
    );
  }
  const { current } = state.rotation;
  if (current && current.id !== known?.state.rotation.current?.id) {
    const why = current.request === undefined ? 'the rotation period is over' : `requested as ${current.request}`;
    await context.events.record(tenant, 'Normal', 'SecretsRotating', `The secrets are being rotated (${current.id}): ${why}.`);
  }
  return state;
}

/** Finishes a rotation once all pods have its secrets, and ends what it replaced once the overlap is over. */
async function advanceRotation(
  tenant: Tenant,
  secrets: SecretsState,
  server: DatabaseServer | undefined,
  workload: WorkloadState,
  context: Context,
  signal: AbortSignal,
): Promise<Again> {
  const { client, children, events, memory, now } = context;
  const { name, uid = '' } = tenant.metadata;
  const rolled = isRolled(workload, children.podsOf(name), secrets.fingerprint, tenant.spec.suspended === true);
  const step = rotationStep(secrets, rolled, now());
  if (step === undefined) {
    const due = [nextRotation(tenant, secrets.rotation), secrets.retireAt].filter((time) => time !== undefined);
    return due.length === 0 ? undefined : Math.max(1_000, Math.min(...due) - now().getTime());
  }
  const store = new SecretStore(client, tenant, signal);
  if (step === 'finish') {
    if (await finish(tenant, store, now()))
      await events.record(tenant, 'Normal', 'SecretsRotated', `The secrets were rotated (${secrets.rotation.current?.id}).`);
  } else {
    await retire(tenant, server, store, now());
    await events.record(tenant, 'Normal', 'SecretsRetired', 'Secrets that were replaced are valid no more.');
  }
  memory.secrets.delete(uid);
  // The file of keys and the status follow.
  return 1;
}

/** Retries while the rights given by the RoleBinding a moment ago spread to the API server's authorizer. */
async function whenAccessible<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isForbidden(error) || tries >= 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25 * (tries + 1)));
      signal.throwIfAborted();
    }
  }
}

async function ensureDatabase(
  tenant: Tenant,
  secrets: SecretsState,
  server: DatabaseServer | undefined,
  context: Context,
  signal: AbortSignal,
): Promise<{ placed: NonNullable<Findings['database']> } | NonNullable<Findings['databaseProblem']>> {
  if (!server || secrets.login === undefined) return { placed: 'none' };
  const uid = tenant.metadata.uid ?? '';
  const names = databaseNames(uid);
  const placed = { server: server.name, name: names.database };
  const { memory, now, random } = context;
  const known = memory.databases.get(uid);
  // A pod that does not serve may be locked out of its database, so the memory is not trusted then.
  const serves = isTrue(tenant.status?.conditions, 'WorkloadAvailable') || !wasReady(tenant);
  const { username, password } = secrets.login;
  const trusted = serves && known?.password === password && known.until > now().getTime();
  if (trusted && !secrets.staged) return { placed };
  try {
    if (!trusted) await server.ensure(names, username, password);
    if (secrets.staged) await switchLogin(tenant, server, new SecretStore(context.client, tenant, signal));
  } catch (error) {
    if (error instanceof KubeError) throw error;
    context.log.warn({ tenant: tenant.metadata.name, err: error }, 'database not provisioned');
    const code = (error as { code?: unknown }).code;
    return {
      reason: 'ServerUnavailable',
      message: `PostgreSQL server ${server.name} did not provision the database (${typeof code === 'string' ? code : 'no answer'}); trying again.`,
    };
  }
  memory.databases.set(uid, { password, until: now().getTime() + sweepMs * (0.7 + 0.2 * random()) });
  return { placed };
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

/** Verifies after a change of template, route or secret, after a failure, and else once an hour. Never before all else holds. */
async function currentVerification(
  tenant: Tenant,
  found: Findings,
  secrets: SecretsState,
  { memory, now, settings, random, log, publicFetch }: Context,
  signal: AbortSignal,
): Promise<{ verification?: Verification; again: Again }> {
  const uid = tenant.metadata.uid ?? '';
  const { endpoints, workload, migration, revision } = found;
  const prepared = migration === 'none' || migration === 'succeeded';
  if (tenant.spec.suspended || !endpoints || !workload?.settled || !prepared) return { again: undefined };
  if (!wasReady(tenant) && !isTrue(tenant.status?.conditions, 'AuthorizationReady')) return { again: undefined };
  const fingerprint = canonicalJson([revision, endpoints, secrets.fingerprint, secrets.probeKey, tenant.spec.organizationId ?? '']);
  const known = memory.verified.get(uid);
  const time = now().getTime();
  if (known?.fingerprint === fingerprint && known.until > time) return { verification: known.verification, again: known.until - time };
  const verification = await verify({
    endpoints,
    oauthIssuer: settings.oauthIssuer,
    probeKey: secrets.probeKey,
    signal,
    fetch: publicFetch,
  });
  const succeeded = verification.state === 'succeeded';
  const failures = succeeded ? 0 : (known?.fingerprint === fingerprint ? known.failures : 0) + 1;
  // A route that has just been made answers within moments; one that fails for long is asked less and less often.
  const again = succeeded
    ? verifyEveryMs * (0.9 + 0.2 * random())
    : Math.min(verifyRetryMs.longest, verifyRetryMs.first * 2 ** (failures - 1));
  memory.verified.set(uid, { fingerprint, verification, failures, until: time + again });
  if (!succeeded) log.info({ tenant: tenant.metadata.name, again, verification }, 'not verified');
  return { verification, again };
}

/** Rights that were given a moment ago, as to a new namespace, take time to take effect. */
function isForbidden(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403;
}

async function addFinalizer(tenant: Tenant, { client, learn }: Context, signal: AbortSignal): Promise<void> {
  const { name, resourceVersion, finalizers: present = [] } = tenant.metadata;
  const patch = { metadata: { resourceVersion, finalizers: [...present, finalizers.operator] } };
  learn(await client.patch<Tenant>(kinds.Tenant, name, patch, { fieldManager, signal }));
}

async function pausedStatus(tenant: Tenant, blocked: Blocked, context: Context, signal: AbortSignal): Promise<Again> {
  await writeStatus(tenant, statusOf(tenant, { ...keep(tenant, context), blocked }, context.now), context, signal);
  return undefined;
}
