import { randomUUID } from 'node:crypto';
import type { DeletionPolicy } from '../../crds/deletion.ts';
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
import { validate } from '../http/validation.ts';
import { type Admin, canSee, requirePlatform } from '../identity/admins.ts';
import { faultsOfReferences, type Lookups } from './checks.ts';
import { consequences, Deletion } from './deletion.ts';
import { labels } from './labels.ts';
import { foreignFields } from './ownership.ts';
import { refusalOf } from './refusals.ts';
import { matchesDemand, newTenant } from './representation.ts';
import { suspensionMarks } from './suspension.ts';

/** A change of a tenant; each part is a JSON merge patch. */
export interface Edit {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly labels?: unknown;
  readonly annotations?: Readonly<Record<string, string | null>>;
}

export interface ChangeOptions {
  /** Tags of If-Match. The tenant must still have one of them; undefined for any. */
  readonly ifMatch?: Demand | undefined;
  /** Takes over fields of another field manager. For administrators of the platform. */
  readonly force?: boolean;
  /** Lets Kubernetes check the change without storing it. */
  readonly dryRun?: boolean;
}

export interface CreateOptions {
  readonly dryRun: boolean;
  /** Identifies the request and its repetitions. A tenant that an earlier attempt created is recognised by it. */
  readonly request: { readonly mark: string; readonly externalId: string } | undefined;
}

/** Annotation with the request that created a tenant. A repetition after a crash recognises the tenant by it. */
const madeBy = `${group}/made-by-request`;
/** Most attempts. The operator may write the status between a read and the write, which makes the attempt stale. */
const attempts = 8;

/** Creates, changes and deletes Tenants for administrators, and checks what each may do. Refusals are Problems with a remedy. */
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

  /** All tenants that the administrator may see, by name. */
  async list(admin: Admin): Promise<readonly Tenant[]> {
    const all = await this.#directory.list();
    return admin.platform ? all : all.filter((tenant) => canSee(admin, tenant));
  }

  /** Contents of the tenant's template, or of the revision that it pins. Undefined when they do not exist. */
  async templateOf({
    spec: { template },
  }: {
    readonly spec: Pick<Tenant['spec'], 'template'>;
  }): Promise<{ readonly spec: StackTemplateSpec } | undefined> {
    if (template.revision === undefined) return this.#directory.template(template.name);
    const spec = await this.#lookups.revision(template.name, template.revision);
    return spec && { spec };
  }

  /** JSON Schema of the parameters of the template in a request. Undefined without such a template or schema. */
  async parameterSchema(template: unknown): Promise<StackTemplateSpec['parameters']> {
    const named = tenantSpec.shape.template.safeParse(template);
    return named.success ? (await this.templateOf({ spec: { template: named.data } }))?.spec.parameters : undefined;
  }

  /** @throws Problem forbidden, invalid, organization-taken, tenant-exists, tenant-deleting */
  async create(admin: Admin, body: unknown, { dryRun, request }: CreateOptions): Promise<Tenant> {
    requirePlatform(admin);
    const form = validate(newTenant, body);
    const faults = [...(form.fits ? [] : form.faults), ...(await faultsOfReferences(body, this.#lookups))];
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
      throw new Problem('tenant-exists', `A tenant named ${name} already exists.`, { cause: error });
    }
  }

  /**
   * Applies the change that `edit` returns for the present tenant. It calls `edit` again when the tenant has changed meanwhile.
   * @throws Problem tenant-not-found, tenant-deleting, forbidden, field-managed, precondition-failed, conflict, invalid
   */
  async change(admin: Admin, name: string, edit: (current: Tenant) => Edit, options: ChangeOptions = {}): Promise<Tenant> {
    for (let left = attempts; ; left--) {
      const current = await this.staying(admin, name);
      if (!matchesDemand(current, options.ifMatch)) throw changed(name);
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
   * Begins the deletion, unless it has begun already. `data` is the choice for the data and overrides the policy of the spec.
   * @returns the tenant after the request.
   * @throws Problem tenant-not-found, deletion-choice-required, tenant-deleting, precondition-failed, conflict
   */
  async remove(admin: Admin, name: string, data: DeletionPolicy | undefined, ifMatch: Demand | undefined): Promise<Tenant> {
    const first = await this.#current(admin, name);
    if (data === undefined) throw new Problem('deletion-choice-required', consequences(first, (await this.templateOf(first))?.spec));
    if (first.metadata.deletionTimestamp === undefined && !matchesDemand(first, ifMatch)) throw changed(name);
    const recheck = ({ metadata: { uid, generation } }: Tenant) => {
      // If-Match does not guard against changes of the status in the meantime.
      if (isCompared(ifMatch) && (uid !== first.metadata.uid || generation !== first.metadata.generation)) throw changed(name);
    };
    try {
      return this.#written(await this.#deletion.begin(first, data, () => this.#current(admin, name), recheck));
    } catch (error) {
      throw refusalOf(error);
    }
  }

  /** Reads the tenant from the API server. @throws Problem tenant-not-found, tenant-deleting for one that is being deleted */
  async staying(admin: Admin, name: string): Promise<Tenant> {
    const current = await this.#current(admin, name);
    if (current.metadata.deletionTimestamp !== undefined) throw deleting(name);
    return current;
  }

  /** Reads the tenant from the API server, because a local copy may be too old to decide about a write. */
  async #current(admin: Admin, name: string): Promise<Tenant> {
    return visible(admin, name, isPossible(name) ? await this.#client.find<Tenant>(kinds.Tenant, name) : undefined);
  }

  /** Checks that the edit is allowed and makes a valid tenant. @returns the edit with its annotations. */
  async #checked(admin: Admin, current: Tenant, edit: Edit, { force = false }: ChangeOptions): Promise<Edit> {
    const { spec = {}, labels: ownLabels } = edit;
    requireOwnFields(admin, { ...spec, ...(ownLabels === undefined ? {} : { labels: ownLabels }) });
    if (force) requirePlatformToForce(admin);
    const marks = suspensionMarks(admin, current, spec);
    const merged = withExternalId(mergePatch(current.spec, spec), current);
    const form = validate(tenantSpec, merged);
    const faults = [
      ...(form.fits ? [] : form.faults),
      ...labelFaults(current, ownLabels),
      ...externalIdFaults(current, spec),
      ...(await faultsOfReferences('organizationId' in spec ? merged : { ...merged, organizationId: undefined }, this.#lookups)),
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

/** Other names must not reach the path of a request to Kubernetes. */
function isPossible(name: string): boolean {
  return tenantName.safeParse(name).success;
}

/** Refuses the platform's own organization. Only its members can set an organization, so theirs is the platform's. @throws Problem organization-taken */
function refuseOwnOrganization(admin: Admin, organizationId: unknown): void {
  if (organizationId !== admin.organizationId) return;
  throw new Problem('organization-taken', 'The organization belongs to the platform. Its members administer every tenant.');
}

/** Gives an organization that will be created the external id by which it is found again. */
function withExternalId(merged: unknown, { spec }: Tenant): Record<string, unknown> {
  if (!isObject(merged)) return {};
  const { organization } = merged;
  if (!isObject(organization) || organization['externalId'] !== undefined) return merged;
  return { ...merged, organization: { ...organization, externalId: spec.organization?.externalId ?? randomUUID() } };
}

/** With the external id of a foreign organization, its members would become this tenant's, and this tenant's administrator would be invited there. */
function externalIdFaults({ spec }: Tenant, patch: Record<string, unknown>): Fault[] {
  const named = isObject(patch['organization']) ? patch['organization']['externalId'] : undefined;
  if (named === undefined || named === spec.organization?.externalId) return [];
  return [{ pointer: '/organization/externalId', message: 'is set by this API; leave it out' }];
}

/** Faults of a merge patch of the labels. Tenantry's own labels are not part of it. */
function labelFaults({ metadata }: Tenant, patch: unknown): Fault[] {
  if (patch === undefined) return [];
  if (!isObject(patch)) return [{ pointer: '/labels', message: 'must be an object; null removes a single label' }];
  const others = Object.entries(metadata.labels ?? {}).filter(([key]) => !key.startsWith(`${group}/`));
  const set = Object.fromEntries(Object.entries(patch).map(([key, value]) => [key, value ?? '']));
  const form = validate(labels, { ...Object.fromEntries(others), ...set });
  return form.fits ? [] : form.faults.map(({ pointer, message }) => ({ pointer: `/labels${pointer}`, message }));
}

/** @throws Problem field-managed */
function refuseForeign(admin: Admin, current: Tenant, edit: Edit): void {
  const foreign = foreignFields(current, edit);
  if (foreign.length === 0) return;
  const managers = foreign.map(({ manager }) => manager).join(', ');
  throw new Problem('field-managed', `${managers} manages fields of this change and would set them back.`, {
    remedy: admin.platform
      ? 'Change them there, or force the change.'
      : 'Change them there, or ask an administrator of the platform to force the change.',
    errors: foreign.flatMap(({ manager, pointers }) => pointers.map((pointer) => ({ pointer, detail: `is managed by ${manager}` }))),
  });
}

/** Whether If-Match names versions. `*` only requires that the tenant exists. */
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
  return new Problem('conflict', `Tenant ${name} was changed by another client during every attempt.`, { cause });
}
