import { type DeletionPolicy, dataOnDeletion, effectiveDeletionPolicyOf } from '../../crds/deletion.ts';
import { annotations, databaseNames } from '../../crds/names.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import { dataPolicyOf, type Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { Problem } from '../../problems/problem.ts';
import { fieldManager } from '../cluster/field-manager.ts';

/** Most attempts. The operator may write the status between a read and the deletion, which makes the attempt stale. */
const attempts = 8;
/** Longest time for removing the annotation, in milliseconds. An annotation that stays counts for one minute only. */
const removalMs = 3_000;

/**
 * Deletes Tenants with the caller's choice for the data. An annotation stores the choice before the deletion begins, and the operator
 * applies it to that deletion alone. The annotation is removed when the deletion does not begin.
 */
export class Deletion {
  readonly #client: KubeClient;
  readonly #now: () => Date;

  constructor(client: KubeClient, now: () => Date) {
    this.#client = client;
    this.#now = now;
  }

  /**
   * Begins the deletion of `first`, unless it has begun already.
   * @param read reads the present tenant. @param recheck throws when a changed tenant must not be deleted.
   * @returns the tenant after the request.
   * @throws Problem tenant-deleting, conflict; errors of `read` and `recheck`; KubeError
   */
  async begin(first: Tenant, policy: DeletionPolicy, read: () => Promise<Tenant>, recheck: (now: Tenant) => void): Promise<Tenant> {
    try {
      let current = first;
      for (let left = attempts; ; left--) {
        if (current.metadata.deletionTimestamp !== undefined) return withPolicy(current, policy);
        try {
          return await this.#attempt(current, policy);
        } catch (error) {
          if (!(error instanceof KubeError && error.reason === 'Conflict')) throw error;
          if (left <= 1) throw conflict(first.metadata.name, error);
        }
        current = await read();
        recheck(current);
      }
    } catch (error) {
      const begun = await this.#removeAnnotation(first, policy);
      if (begun === undefined) throw error;
      return begun;
    }
  }

  async #attempt(current: Tenant, policy: DeletionPolicy): Promise<Tenant> {
    const annotated = await this.#annotate(current, policy);
    const { name, uid = '', resourceVersion = '' } = annotated.metadata;
    // The version makes sure that the choice and the policy have not changed since the annotation was written.
    await this.#client.delete(kinds.Tenant, name, { uid, resourceVersion });
    const after = await this.#client.find<Tenant>(kinds.Tenant, name);
    if (after !== undefined && after.metadata.uid === uid) return withPolicy(after, policy);
    return { ...annotated, metadata: { ...annotated.metadata, deletionTimestamp: this.#now().toISOString() } };
  }

  async #annotate(current: Tenant, policy: DeletionPolicy): Promise<Tenant> {
    const { name, uid, resourceVersion } = current.metadata;
    if (choiceOf(current) === undefined && dataPolicyOf(current.spec) === policy) return current;
    const annotation = { [annotations.dataOnDeletion]: dataOnDeletion(policy, this.#now()) };
    return this.#client.patch<Tenant>(
      kinds.Tenant,
      name,
      { metadata: { uid, resourceVersion, annotations: annotation } },
      { fieldManager },
    );
  }

  /**
   * Removes the annotation of a deletion that has not begun.
   * @returns the tenant if the deletion has begun with this choice after all; undefined if it has not begun or the state is unknown.
   */
  async #removeAnnotation({ metadata: { name, uid } }: Tenant, policy: DeletionPolicy): Promise<Tenant | undefined> {
    const signal = AbortSignal.timeout(removalMs);
    for (let left = attempts; left > 0; left--) {
      try {
        const current = await this.#client.find<Tenant>(kinds.Tenant, name, { signal });
        if (current === undefined || current.metadata.uid !== uid) return undefined;
        if (current.metadata.deletionTimestamp !== undefined) return effectiveDeletionPolicyOf(current) === policy ? current : undefined;
        if (choiceOf(current) === undefined) return undefined;
        const { resourceVersion } = current.metadata;
        const none = { metadata: { uid, resourceVersion, annotations: { [annotations.dataOnDeletion]: null } } };
        await this.#client.patch(kinds.Tenant, name, none, { fieldManager, signal });
        return undefined;
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === 'Conflict')) return undefined;
      }
    }
    return undefined;
  }
}

function choiceOf({ metadata }: Tenant): string | undefined {
  return metadata.annotations?.[annotations.dataOnDeletion];
}

/** @throws Problem tenant-deleting for a deletion with the other choice. */
function withPolicy(deleted: Tenant, policy: DeletionPolicy): Tenant {
  const present = effectiveDeletionPolicyOf(deleted);
  if (present === policy) return deleted;
  const { name } = deleted.metadata;
  throw new Problem('tenant-deleting', `Tenant ${name} is being deleted already, with data=${present}.`);
}

function conflict(name: string, cause: KubeError): Problem {
  return new Problem('conflict', `Tenant ${name} was changed by another client during every attempt.`, { cause });
}

/** The effects of deleting the tenant, for a request that does not choose what happens to the data. */
export function consequences(tenant: Tenant, template: StackTemplateSpec | undefined): string {
  const { name, uid = '' } = tenant.metadata;
  const hasDatabase = tenant.status?.database !== undefined || (template?.database !== undefined && tenant.spec.database?.mode !== 'none');
  const always = `Deleting ${name} removes its pods, its namespace with all secrets and API keys, its routes and its OAuth resources permanently.`;
  if (!hasDatabase) return `${always} It has no database, so nothing is kept: choose data=delete.`;
  const database = tenant.status?.database?.name ?? databaseNames(uid).database;
  const server = tenant.status?.database === undefined ? '' : ` on server ${tenant.status.database.server}`;
  const policy = dataPolicyOf(tenant.spec);
  const byPolicy = policy === 'retain' ? 'keeps it, locked against access' : 'drops it permanently';
  return `${always} Its database is ${database}${server}. Its deletionPolicy ${policy} ${byPolicy}.`;
}
