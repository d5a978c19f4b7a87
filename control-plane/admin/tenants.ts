import type { Tenant } from '../../crds/tenant.ts';
import { tenantName, tenantSpec } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { fieldManager } from '../field-manager.ts';
import { invalid, Problem } from '../http/problem.ts';
import { faultsOf } from '../http/validation.ts';
import type { TenantDirectory } from '../tenant-directory.ts';
import { faultsBeyondForm, type Lookups } from './checks.ts';
import { mergePatch } from './merge-patch.ts';
import { faultsOfRefusal } from './refusals.ts';
import { newTenant } from './representation.ts';

/** Creates, changes and deletes Tenants for administrators; every refusal is a Problem that says what to do. */
export class Tenants {
  readonly #client: KubeClient;
  readonly #directory: TenantDirectory;
  readonly #lookups: Lookups;

  constructor(client: KubeClient, directory: TenantDirectory, organizationExists: Lookups['organizationExists']) {
    this.#client = client;
    this.#directory = directory;
    this.#lookups = {
      template: (name) => directory.template(name),
      templateNames: () => directory.templateNames(),
      organizationExists,
    };
  }

  /** @throws Problem tenant-not-found */
  async get(name: string): Promise<Tenant> {
    return (await this.#directory.find(possible(name))) ?? notFound(name);
  }

  /** One page of tenants by name, after the name `after`. */
  async list(limit: number, after: string | undefined): Promise<{ items: Tenant[]; next: string | undefined }> {
    const rest = (await this.#directory.list()).filter((tenant) => after === undefined || tenant.metadata.name > after);
    const items = rest.slice(0, limit);
    return { items, next: rest.length > limit ? items.at(-1)?.metadata.name : undefined };
  }

  /** @throws Problem invalid, tenant-exists, tenant-deleting */
  async create(body: unknown): Promise<Tenant> {
    const form = newTenant.safeParse(body);
    const faults = [...(form.success ? [] : faultsOf(form.error, body)), ...(await faultsBeyondForm(body, this.#lookups))];
    if (!form.success || faults.length > 0) throw invalid(faults);
    const { name, ...spec } = form.data;
    const object = { apiVersion: kinds.Tenant.apiVersion, kind: kinds.Tenant.kind, metadata: { name }, spec };
    try {
      return this.#written(await this.#client.create<Tenant>(kinds.Tenant, object, { fieldManager }));
    } catch (error) {
      if (!(error instanceof KubeError && error.reason === 'AlreadyExists')) throw refusalOf(error);
      const present = await this.#client.find<Tenant>(kinds.Tenant, name);
      if (present?.metadata.deletionTimestamp !== undefined) throw deleting(name);
      throw new Problem('tenant-exists', `A tenant named ${name} exists. Choose another name, or change it with PATCH.`, { cause: error });
    }
  }

  /**
   * @param expected resourceVersion the tenant must still have; undefined for any.
   * @throws Problem tenant-not-found, tenant-deleting, precondition-failed, invalid
   */
  async change(name: string, patch: Readonly<Record<string, unknown>>, expected: string | undefined): Promise<Tenant> {
    const current = (await this.#client.find<Tenant>(kinds.Tenant, possible(name))) ?? notFound(name);
    const { uid, resourceVersion, deletionTimestamp } = current.metadata;
    if (deletionTimestamp !== undefined) throw deleting(name);
    if (expected !== undefined && expected !== resourceVersion) throw changed(name);
    const merged = mergePatch(current.spec, patch);
    const form = tenantSpec.safeParse(merged);
    const faults = [...(form.success ? [] : faultsOf(form.error, merged)), ...(await faultsBeyondForm(merged, this.#lookups))];
    if (faults.length > 0) throw invalid(faults);
    const locked = { uid, ...(expected === undefined ? {} : { resourceVersion: expected }) };
    try {
      return this.#written(await this.#client.patch<Tenant>(kinds.Tenant, name, { metadata: locked, spec: patch }, { fieldManager }));
    } catch (error) {
      if (error instanceof KubeError && error.reason === 'Conflict') {
        if (expected !== undefined) throw changed(name);
        throw new Problem('conflict', `${name} was changed at the same moment. Send the same request again.`, { cause: error });
      }
      if (error instanceof KubeError && error.status === 404) notFound(name);
      throw refusalOf(error);
    }
  }

  /** Begins the deletion, or finds it begun. @returns the tenant as it is afterwards. @throws Problem tenant-not-found */
  async remove(name: string): Promise<Tenant> {
    const current = (await this.#client.find<Tenant>(kinds.Tenant, possible(name))) ?? notFound(name);
    const { uid, deletionTimestamp } = current.metadata;
    if (deletionTimestamp !== undefined) return current;
    await this.#client.delete(kinds.Tenant, name, uid === undefined ? {} : { uid });
    const after = await this.#client.find<Tenant>(kinds.Tenant, name);
    if (after !== undefined && after.metadata.uid === uid) return this.#written(after);
    return { ...current, metadata: { ...current.metadata, deletionTimestamp: new Date().toISOString() } };
  }

  #written(tenant: Tenant): Tenant {
    this.#directory.remember(tenant);
    return tenant;
  }
}

/** What is no tenant's name never reaches the path of a request to Kubernetes. */
function possible(name: string): string {
  return tenantName.safeParse(name).success ? name : notFound(name);
}

function notFound(name: string): never {
  throw new Problem('tenant-not-found', `There is no tenant named ${name}. GET /admin/tenants lists them.`);
}

function deleting(name: string): Problem {
  return new Problem('tenant-deleting', `${name} is being deleted. Wait until GET /admin/tenants/${name} answers 404.`);
}

function changed(name: string): Problem {
  return new Problem('precondition-failed', `${name} has changed since you read it. Read it again and repeat the change.`);
}

/** What the API server refuses although our own checks passed: rules of the CRD such as immutability. */
function refusalOf(error: unknown): unknown {
  return error instanceof KubeError && error.reason === 'Invalid' ? invalid(faultsOfRefusal(error)) : error;
}
