import { effectiveDeletionPolicyOf } from '../../crds/deletion.ts';
import { databaseNames, finalizers, labels, namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { isNotFound } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { fieldManager } from '../objects/names.ts';
import type { Context, RequeueAfter } from './context.ts';
import { releaseDomains } from './release-domains.ts';
import { deletingStatus } from './status.ts';
import { writeStatus } from './write-status.ts';

/**
 * Cleans up a deleted tenant. The namespace goes first, because running pods could write to the database during its removal. The finalizer
 * goes last, and only after all other steps have succeeded.
 */
export async function finalize(tenant: Tenant, context: Context, signal: AbortSignal): Promise<RequeueAfter> {
  if (!tenant.metadata.finalizers?.includes(finalizers.operator)) return undefined;
  if (!(await namespaceIsGone(tenant, context, signal))) {
    await writeStatus(tenant, deletingStatus(tenant, 'the namespace', undefined, context.now), context, signal);
    // The watch reports the end of the namespace. The delay covers a namespace whose deletion hangs.
    return 30_000;
  }
  const held = await releaseDomains(tenant, context, signal);
  const problem = await settleData(tenant, context, signal);
  if (problem !== undefined) {
    await writeStatus(tenant, deletingStatus(tenant, 'the database', problem, context.now), context, signal);
    return 10_000;
  }
  if (held.length > 0) {
    await writeStatus(tenant, deletingStatus(tenant, `the OAuth resources of ${held.join(', ')}`, undefined, context.now), context, signal);
    // The control plane's finalizer is removed with them. The watch reports that.
    return undefined;
  }
  await removeFinalizer(tenant, context, signal);
  return undefined;
}

/** Removes the pods, then the namespace. Resolves with whether both are gone. */
async function namespaceIsGone(tenant: Tenant, context: Context, signal: AbortSignal): Promise<boolean> {
  const { client, children } = context;
  const name = namespaceOf(tenant.metadata.name);
  const cached = children.find(tenant.metadata.name, kinds.Namespace, undefined, name);
  const live = cached ?? (await client.find<KubeObject>(kinds.Namespace, name, { signal }));
  // A namespace of another owner must stay.
  if (!live || live.metadata.labels?.[labels.tenantUid] !== tenant.metadata.uid) return true;
  const { uid, deletionTimestamp } = live.metadata;
  if (deletionTimestamp !== undefined) return false;
  if (await podsAreGone(tenant, context, signal)) await client.delete(kinds.Namespace, name, { ...(uid ? { uid } : {}), signal });
  return false;
}

/**
 * Removes the pods before the namespace. If pods are still ending, the namespace controller waits for half their grace period; without pods
 * it deletes the namespace at once.
 */
async function podsAreGone(tenant: Tenant, { client, children }: Context, signal: AbortSignal): Promise<boolean> {
  const { name } = tenant.metadata;
  const owners = children.of(name).filter(({ resource }) => resource === kinds.Deployment || resource === kinds.Job);
  for (const { resource, object } of owners) {
    if (object.metadata.deletionTimestamp !== undefined) continue;
    await client.delete(resource, object.metadata.name, { namespace: namespaceOf(name), propagationPolicy: 'Foreground', signal });
  }
  return owners.length === 0 && children.podsOf(name).length === 0;
}

/** Removes or locks the database. Returns a message for people if that failed. */
async function settleData(tenant: Tenant, { database, events, log }: Context, signal: AbortSignal): Promise<string | undefined> {
  const recorded = tenant.status?.database;
  if (!database) {
    return recorded
      ? `The database ${recorded.name} is on server ${recorded.server}, which the operator is not configured for: configure it again to finish the deletion.`
      : undefined;
  }
  if (tenant.spec.database?.mode === 'none') return undefined;
  const names = databaseNames(tenant.metadata.uid ?? '');
  const policy = effectiveDeletionPolicyOf(tenant);
  try {
    if (policy === 'delete') await database.drop(names, signal);
    else await database.retain(names, signal);
  } catch (error) {
    log.warn({ tenant: tenant.metadata.name, err: error }, 'database not cleaned up');
    const code = (error as { code?: unknown }).code;
    const why = typeof code === 'string' ? code : 'no answer';
    return `PostgreSQL server ${database.name} did not clean up ${names.database} and its roles (${why}; the operator's log says more); trying again.`;
  }
  if (recorded && policy === 'delete') await events.record(tenant, 'Normal', 'DatabaseDeleted', `Database ${names.database} was deleted.`);
  if (recorded && policy !== 'delete') {
    await events.record(
      tenant,
      'Normal',
      'DatabaseRetained',
      `Database ${names.database} on server ${database.name} was kept, with nobody able to log in.`,
    );
  }
  return undefined;
}

async function removeFinalizer(tenant: Tenant, { client }: Context, signal: AbortSignal): Promise<void> {
  const { name, uid, resourceVersion, finalizers: present = [] } = tenant.metadata;
  const rest = present.filter((finalizer) => finalizer !== finalizers.operator);
  try {
    await client.patch(kinds.Tenant, name, { metadata: { uid, resourceVersion, finalizers: rest } }, { fieldManager, signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
