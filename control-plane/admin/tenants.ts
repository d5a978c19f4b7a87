import { randomUUID } from 'node:crypto';
import type { DataFate } from '../../crds/deletion.ts';
import { group } from '../../crds/names.ts';
import type { Fault } from '../../crds/parameters.ts';
import { revisionName, revisionOf, type StackTemplateRevision, type StackTemplateSpec } from '../../crds/stack-template.ts';
import { type Tenant, tenantName, tenantSpec } from '../../crds/tenant.ts';
import { mergePatch } from '../../json/merge-patch.ts';
import { isObject } from '../../json/object.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { Problem } from '../../problems/problem.ts';
import { requireOwnFields, requirePlatformToForce, visible } from '../access/scope.ts';
import { fieldManager } from '../cluster/field-manager.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import type { Demand } from '../http/entity-tags.ts';
import { invalid } from '../http/problem.ts';
import { checkForm } from '../http/validation.ts';
import { type Admin, canSee, requirePlatform } from '../identity/admins.ts';
import { faultsBeyondForm, type Lookups } from './checks.ts';
import { consequences, Deletion } from './deletion.ts';
import { labels } from './labels.ts';
import { foreignFields } from './ownership.ts';
import { refusalOf } from './refusals.ts';
import { isDemanded, newTenant } from './representation.ts';
import { suspensionMarks } from './suspension.ts';

/** A change of a tenant; each part is a JSON merge patch. */
export interface Edit {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly labels?: unknown;
  readonly annotations?: Readonly<Record<string, string | null>>;
}

export interface ChangeOptions {
  /** Tags of If-Match, one of which the tenant must still have; undefined for any. */
  readonly ifMatch?: Demand | undefined;
  /** Takes fields over that another manager owns. For administrators of the platform. */
  readonly force?: boolean;
  /** Lets Kubernetes check the change without storing it. */
  readonly dryRun?: boolean;
}

export interface CreateOptions {
  readonly dryRun: boolean;
  /** Identifies the request across repetitions: a tenant that an earlier attempt has made is recognised by it. */
  readonly request: { readonly mark: string; readonly externalId: string } | undefined;
}

/** Which request made a tenant, so that its repetition after a crash finds its own. */
const madeBy = `${group}/made-by-request`;
/** A status that is written meanwhile makes a change stale; so often it is tried again. */
const attempts = 8;

/** Creates, changes and deletes Tenants for administrators, as far as each may; every refusal is a Problem that says what to do. */
export class Tenants {
  readonly #client: KubeClient;
  readonly #directory: TenantDirectory;
  readonly #deletion: Deletion;
  readonly #lookups: Lookups;

  constructor(client: KubeClient, directory: TenantDirectory, organizationExists: Lookups['organizationExists'], now: () => Date) {
    this.#client = client;
    this.#directory = directory;
    this.#deletion = new Deletion(client, now);
    this.#lookups = {
      template: (name) => directory.template(name),
      templateNames: () => directory.templateNames(),
      revision: async (template, revision) => {
        const found = await client.find<StackTemplateRevision>(kinds.StackTemplateRevision, revisionName(template, revision));
        return found !== undefined && revisionOf(found.spec.spec) === revision ? found.spec.spec : undefined;
      },
      organizationExists,
    };
  }

  /** @throws Problem tenant-not-found */
  async get(admin: Admin, name: string): Promise<Tenant> {
    return visible(admin, name, isPossible(name) ? await this.#directory.find(name) : undefined);
  }

  /** All the administrator may see, by name. */
  async list(admin: Admin): Promise<readonly Tenant[]> {
    const all = await this.#directory.list();
    return admin.platform ? all : all.filter((tenant) => canSee(admin, tenant));
  }

  /** What the tenant is made of: its template, or the revision of it that it stays with. Undefined where it is gone. */
  async templateOf({
    spec: { template },
  }: {
    readonly spec: Pick<Tenant['spec'], 'template'>;
  }): Promise<{ readonly spec: StackTemplateSpec } | undefined> {
    if (template.revision === undefined) return this.#directory.template(template.name);
    const spec = await this.#lookups.revision(template.name, template.revision);
    return spec && { spec };
  }

  /** JSON Schema of the parameters of a template, as a request names it. Undefined where there is no such template or no schema. */
  async parameterSchema(template: unknown): Promise<StackTemplateSpec['parameters']> {
    const named = tenantSpec.shape.template.safeParse(template);
    return named.success ? (await this.templateOf({ spec: { template: named.data } }))?.spec.parameters : undefined;
  }

  /** @throws Problem forbidden, invalid, organization-taken, tenant-exists, tenant-deleting */
  async create(admin: Admin, body: unknown, { dryRun, request }: CreateOptions): Promise<Tenant> {
    requirePlatform(admin);
    const form = checkForm(newTenant, body);
    const faults = [...(form.fits ? [] : form.faults), ...(await faultsBeyondForm(body, this.#lookups))];
    if (!form.fits || faults.length > 0) throw invalid(faults);
    const { name, labels: own, organization, ...spec } = form.value;
    refuseOwnOrganization(admin, spec.organizationId);
    const externalId = request?.externalId ?? randomUUID();
    const object = {
      apiVersion: kinds.Tenant.apiVersion,
      kind: kinds.Tenant.kind,
      metadata: {
        name,
        ...(own === undefined ? {} : { labels: own }),
        ...(request === undefined ? {} : { annotations: { [madeBy]: request.mark } }),
      },
      spec: { ...spec, ...(organization === undefined ? {} : { organization: { ...organization, externalId } }) },
    };
    try {
      const tenant = await this.#client.create<Tenant>(kinds.Tenant, object, { fieldManager, dryRun });
      return dryRun ? tenant : this.#written(tenant);
    } catch (error) {
      if (!(error instanceof KubeError && error.reason === 'AlreadyExists')) throw refusalOf(error);
      const present = await this.#client.find<Tenant>(kinds.Tenant, name);
      if (present?.metadata.deletionTimestamp !== undefined) throw deleting(name);
      if (request !== undefined && present?.metadata.annotations?.[madeBy] === request.mark) return present;
      throw new Problem('tenant-exists', `A tenant named ${name} exists already.`, { cause: error });
    }
  }

  /**
   * Changes what `edit` says of the tenant as it is; asked again where it has changed meanwhile.
   * @throws Problem tenant-not-found, tenant-deleting, forbidden, field-managed, precondition-failed, conflict, invalid
   */
  async change(admin: Admin, name: string, edit: (current: Tenant) => Edit, options: ChangeOptions = {}): Promise<Tenant> {
    for (let left = attempts; ; left--) {
      const current = await this.staying(admin, name);
      if (!isDemanded(current, options.ifMatch)) throw changed(name);
      try {
        return await this.#write(current, await this.#checked(admin, current, edit(current), options), options);
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === 'Conflict')) throw refusalOf(error);
        if (isCompared(options.ifMatch)) throw changed(name);
        if (left <= 1) throw busy(name, error);
      }
    }
  }

  /**
   * Begins the deletion, or finds it begun. `fate` is what becomes of the data, whatever the policy of the spec.
   * @returns the tenant as it is afterwards.
   * @throws Problem tenant-not-found, deletion-choice-required, tenant-deleting, precondition-failed, conflict
   */
  async remove(admin: Admin, name: string, fate: DataFate | undefined, ifMatch: Demand | undefined): Promise<Tenant> {
    const first = await this.#current(admin, name);
    if (fate === undefined) throw new Problem('deletion-choice-required', consequences(first, (await this.templateOf(first))?.spec));
    if (first.metadata.deletionTimestamp === undefined && !isDemanded(first, ifMatch)) throw changed(name);
    const mayBe = ({ metadata: { uid, generation } }: Tenant) => {
      // A status that is written meanwhile is no change that If-Match guards against.
      if (isCompared(ifMatch) && (uid !== first.metadata.uid || generation !== first.metadata.generation)) throw changed(name);
    };
    try {
      return this.#written(await this.#deletion.begin(first, fate, () => this.#current(admin, name), mayBe));
    } catch (error) {
      throw refusalOf(error);
    }
  }

  /** The tenant as the API server has it, and not on its way out. @throws Problem tenant-not-found, tenant-deleting */
  async staying(admin: Admin, name: string): Promise<Tenant> {
    const current = await this.#current(admin, name);
    if (current.metadata.deletionTimestamp !== undefined) throw deleting(name);
    return current;
  }

  /** The tenant as the API server has it: what is written must not be decided by a copy. */
  async #current(admin: Admin, name: string): Promise<Tenant> {
    return visible(admin, name, isPossible(name) ? await this.#client.find<Tenant>(kinds.Tenant, name) : undefined);
  }

  /** @returns the edit, once it is known to be allowed and to make a valid tenant. */
  async #checked(admin: Admin, current: Tenant, edit: Edit, { force = false }: ChangeOptions): Promise<Edit> {
    const { spec = {}, labels: ownLabels } = edit;
    requireOwnFields(admin, { ...spec, ...(ownLabels === undefined ? {} : { labels: ownLabels }) });
    if (force) requirePlatformToForce(admin);
    const marks = suspensionMarks(admin, current, spec);
    const merged = withExternalId(mergePatch(current.spec, spec), current);
    const form = checkForm(tenantSpec, merged);
    const faults = [
      ...(form.fits ? [] : form.faults),
      ...labelFaults(current, ownLabels),
      ...externalIdFaults(current, spec),
      ...(await faultsBeyondForm('organizationId' in spec ? merged : { ...merged, organizationId: undefined }, this.#lookups)),
    ];
    if (faults.length > 0) throw invalid(faults);
    refuseOwnOrganization(admin, spec['organizationId']);
    if (!force) refuseForeign(admin, current, edit);
    const annotations = { ...edit.annotations, ...marks };
    return { ...edit, annotations, ...(isObject(spec['organization']) ? { spec: { ...spec, organization: merged['organization'] } } : {}) };
  }

  async #write({ metadata }: Tenant, edit: Edit, { dryRun = false }: ChangeOptions): Promise<Tenant> {
    const { name, uid, resourceVersion } = metadata;
    const patch = {
      metadata: {
        uid,
        resourceVersion,
        ...(edit.labels === undefined ? {} : { labels: edit.labels }),
        ...(edit.annotations === undefined || Object.keys(edit.annotations).length === 0 ? {} : { annotations: edit.annotations }),
      },
      ...(edit.spec === undefined ? {} : { spec: edit.spec }),
    };
    const tenant = await this.#client.patch<Tenant>(kinds.Tenant, name, patch, { fieldManager, dryRun });
    return dryRun ? tenant : this.#written(tenant);
  }

  #written(tenant: Tenant): Tenant {
    this.#directory.remember(tenant);
    return tenant;
  }
}

/** What is no tenant's name never reaches the path of a request to Kubernetes. */
function isPossible(name: string): boolean {
  return tenantName.safeParse(name).success;
}

/** Only the platform's administrators name organizations, and theirs is the platform's. @throws Problem organization-taken */
function refuseOwnOrganization(admin: Admin, organizationId: unknown): void {
  if (organizationId !== admin.organizationId) return;
  throw new Problem('organization-taken', 'The organization is that of the platform, whose members administer every tenant.');
}

/** An organization that is to be created gets the identifier here by which it is found again. */
function withExternalId(merged: unknown, { spec }: Tenant): Record<string, unknown> {
  if (!isObject(merged)) return {};
  const { organization } = merged;
  if (!isObject(organization) || organization['externalId'] !== undefined) return merged;
  return { ...merged, organization: { ...organization, externalId: spec.organization?.externalId ?? randomUUID() } };
}

/** By the identifier of another's organization, its people would become this tenant's, and its administrator would be invited there. */
function externalIdFaults({ spec }: Tenant, patch: Record<string, unknown>): Fault[] {
  const named = isObject(patch['organization']) ? patch['organization']['externalId'] : undefined;
  if (named === undefined || named === spec.organization?.externalId) return [];
  return [{ pointer: '/organization/externalId', message: 'is given by this API; leave it out' }];
}

/** Faults of a merge patch of the labels. Those of Tenantry itself stay out of it. */
function labelFaults({ metadata }: Tenant, patch: unknown): Fault[] {
  if (patch === undefined) return [];
  if (!isObject(patch)) return [{ pointer: '/labels', message: 'must be an object; null removes a single label' }];
  const others = Object.entries(metadata.labels ?? {}).filter(([key]) => !key.startsWith(`${group}/`));
  const set = Object.fromEntries(Object.entries(patch).map(([key, value]) => [key, value ?? '']));
  const form = checkForm(labels, { ...Object.fromEntries(others), ...set });
  return form.fits ? [] : form.faults.map(({ pointer, message }) => ({ pointer: `/labels${pointer}`, message }));
}

/** @throws Problem field-managed */
function refuseForeign(admin: Admin, current: Tenant, edit: Edit): void {
  const foreign = foreignFields(current, edit);
  if (foreign.length === 0) return;
  const managers = foreign.map(({ manager }) => manager).join(', ');
  throw new Problem('field-managed', `${managers} manages the fields to be changed and would set them back.`, {
    remedy: admin.platform
      ? 'Change them there, or force the change.'
      : 'Change them there, or ask an administrator of the platform to force the change.',
    errors: foreign.flatMap(({ manager, pointers }) => pointers.map((pointer) => ({ pointer, detail: `is managed by ${manager}` }))),
  });
}

/** Whether If-Match names versions: `*` demands only that there is a tenant. */
function isCompared(demand: Demand | undefined): boolean {
  return demand !== undefined && demand !== 'any';
}

function deleting(name: string): Problem {
  return new Problem('tenant-deleting', `Tenant ${name} is being deleted.`);
}

function changed(name: string): Problem {
  return new Problem('precondition-failed', `Tenant ${name} has changed since it was read.`);
}

function busy(name: string, cause: KubeError): Problem {
  return new Problem('conflict', `Tenant ${name} was changed by others at every attempt.`, { cause });
}
