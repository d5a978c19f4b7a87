import { type DataFate, dataFateOf, wordOnData } from '../../crds/deletion.ts';
import { annotations, databaseNames } from '../../crds/names.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import { dataPolicyOf, type Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { Problem } from '../../problems/problem.ts';
import { fieldManager } from '../cluster/field-manager.ts';

/** A status that is written meanwhile makes a deletion stale; so often it is tried again. */
const attempts = 8;
/** Longest wait for taking a word back; one that stays behind counts for a minute only. */
const withdrawMs = 3_000;

/**
 * Deletes Tenants with a word on what becomes of the data. The word stands on the object before the deletion begins, for the operator,
 * who acts on it for that deletion alone; where the deletion does not begin it is taken back.
 */
export class Deletion {
  readonly #client: KubeClient;
  readonly #now: () => Date;

  constructor(client: KubeClient, now: () => Date) {
    this.#client = client;
    this.#now = now;
  }

  /**
   * Begins the deletion of `first`, or finds it begun.
   * @param read the tenant as it is now. @param mayBe whether it may be deleted although it has changed.
   * @returns the tenant as it is afterwards.
   * @throws Problem tenant-deleting, conflict; what `read` and `mayBe` throw; KubeError
   */
  async begin(first: Tenant, fate: DataFate, read: () => Promise<Tenant>, mayBe: (now: Tenant) => void): Promise<Tenant> {
    try {
      let current = first;
      for (let left = attempts; ; left--) {
        if (current.metadata.deletionTimestamp !== undefined) return asSaid(current, fate);
        try {
          return await this.#attempt(current, fate);
        } catch (error) {
          if (!(error instanceof KubeError && error.reason === 'Conflict')) throw error;
          if (left <= 1) throw busy(first.metadata.name, error);
        }
        current = await read();
        mayBe(current);
      }
    } catch (error) {
      const begun = await this.#withdraw(first, fate);
      if (begun === undefined) throw error;
      return begun;
    }
  }

  async #attempt(current: Tenant, fate: DataFate): Promise<Tenant> {
    const said = await this.#say(current, fate);
    const { name, uid = '', resourceVersion = '' } = said.metadata;
    // With the version, so that nobody has said otherwise, or changed the policy, in between.
    await this.#client.delete(kinds.Tenant, name, { uid, resourceVersion });
    const after = await this.#client.find<Tenant>(kinds.Tenant, name);
    if (after !== undefined && after.metadata.uid === uid) return asSaid(after, fate);
    return { ...said, metadata: { ...said.metadata, deletionTimestamp: this.#now().toISOString() } };
  }

  async #say(current: Tenant, fate: DataFate): Promise<Tenant> {
    const { name, uid, resourceVersion } = current.metadata;
    if (wordOf(current) === undefined && dataPolicyOf(current.spec) === fate) return current;
    const word = { [annotations.dataOnDeletion]: wordOnData(fate, this.#now()) };
    return this.#client.patch<Tenant>(kinds.Tenant, name, { metadata: { uid, resourceVersion, annotations: word } }, { fieldManager });
  }

  /**
   * Takes back the word for a deletion that has not begun.
   * @returns the tenant where the deletion has begun as it was said after all; undefined where it has not, or nobody can tell.
   */
  async #withdraw({ metadata: { name, uid } }: Tenant, fate: DataFate): Promise<Tenant | undefined> {
    const signal = AbortSignal.timeout(withdrawMs);
    for (let left = attempts; left > 0; left--) {
      try {
        const current = await this.#client.find<Tenant>(kinds.Tenant, name, { signal });
        if (current === undefined || current.metadata.uid !== uid) return undefined;
        if (current.metadata.deletionTimestamp !== undefined) return dataFateOf(current) === fate ? current : undefined;
        if (wordOf(current) === undefined) return undefined;
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

function wordOf({ metadata }: Tenant): string | undefined {
  return metadata.annotations?.[annotations.dataOnDeletion];
}

/** @throws Problem tenant-deleting for a deletion that does something else to the data. */
function asSaid(deleted: Tenant, fate: DataFate): Tenant {
  const is = dataFateOf(deleted);
  if (is === fate) return deleted;
  const { name } = deleted.metadata;
  throw new Problem('tenant-deleting', `Tenant ${name} is being deleted already, with data=${is}.`);
}

function busy(name: string, cause: KubeError): Problem {
  return new Problem('conflict', `Tenant ${name} was changed by others at every attempt.`, { cause });
}

/** The effects of deleting the tenant, for a request that does not choose what happens to the data. */
export function consequences(tenant: Tenant, template: StackTemplateSpec | undefined): string {
  const { name, uid = '' } = tenant.metadata;
  const hasDatabase = tenant.status?.database !== undefined || (template?.database !== undefined && tenant.spec.database?.mode !== 'none');
  const always = `Deleting ${name} removes its pods, its namespace with all secrets and API keys, its routes and its OAuth resources for good.`;
  if (!hasDatabase) return `${always} It has no database, so nothing is kept: choose data=delete.`;
  const database = tenant.status?.database?.name ?? databaseNames(uid).database;
  const server = tenant.status?.database === undefined ? '' : ` on server ${tenant.status.database.server}`;
  const policy = dataPolicyOf(tenant.spec);
  const byPolicy = policy === 'retain' ? 'keeps it, locked' : 'drops it for good';
  return `${always} Its database is ${database}${server}. Its deletionPolicy ${policy} ${byPolicy}.`;
}
