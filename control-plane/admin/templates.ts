import { schemaFaults } from '../../crds/parameters.ts';
import { revisionOf, type StackTemplate, type StackTemplateRevision, type StackTemplateSpec } from '../../crds/stack-template.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { kinds } from '../../kube/resources.ts';
import { Problem } from '../../problems/problem.ts';
import { fieldManager } from '../cluster/field-manager.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import type { Demand } from '../http/entity-tags.ts';
import { errorsOf, invalid } from '../http/problem.ts';
import type { Admin } from '../identity/admins.ts';
import { faultsOfRefusal, refusalOf } from './refusals.ts';
import type { Tenants } from './tenants.ts';

export interface ApplyOptions {
  readonly dryRun: boolean;
  readonly force: boolean;
  /** Tags of If-Match. The template must still have one of them. */
  readonly ifMatch: Demand | undefined;
}

const possible = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Reads templates for administrators, and applies them for administrators of the platform. */
export class Templates {
  readonly #client: KubeClient;
  readonly #directory: TenantDirectory;
  readonly #tenants: Tenants;

  constructor(client: KubeClient, directory: TenantDirectory, tenants: Tenants) {
    this.#client = client;
    this.#directory = directory;
    this.#tenants = tenants;
  }

  /** Templates by name. An administrator of tenants sees only the templates of those tenants. */
  async list(admin: Admin): Promise<StackTemplate[]> {
    const all = await this.#directory.templates();
    if (admin.platform) return all;
    const used = new Set((await this.#tenants.list(admin)).map(({ spec }) => spec.template.name));
    return all.filter(({ metadata }) => used.has(metadata.name));
  }

  /** @throws Problem template-not-found */
  async get(admin: Admin, name: string): Promise<StackTemplate> {
    const found = possible.test(name) ? await this.#directory.template(name) : undefined;
    if (found === undefined || (!admin.platform && !(await this.list(admin)).some(({ metadata }) => metadata.name === name)))
      throw notFound(name);
    return found;
  }

  /** Revisions of a template, latest first. @throws Problem template-not-found */
  async revisions(admin: Admin, name: string): Promise<StackTemplateRevision[]> {
    await this.get(admin, name);
    const { items } = await this.#client.listAll<StackTemplateRevision>(kinds.StackTemplateRevision);
    const time = ({ metadata }: StackTemplateRevision) => `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
    return items
      .filter(({ spec }) => spec.template === name && revisionOf(spec.spec) === spec.revision)
      .sort((a, b) => (time(a) < time(b) ? 1 : -1));
  }

  /**
   * Uses server-side apply: our own fields that the body leaves out are removed, and fields of other managers stay.
   * @throws Problem template-not-found for an impossible name, field-managed, precondition-failed, invalid
   */
  async apply(
    name: string,
    spec: StackTemplateSpec,
    { dryRun, force, ifMatch }: ApplyOptions,
  ): Promise<{ template: StackTemplate; created: boolean }> {
    if (!possible.test(name)) throw notFound(name);
    const faults = schemaFaults(spec.parameters, '/parameters');
    if (faults.length > 0) throw invalid(faults);
    const current = await this.#client.find<StackTemplate>(kinds.StackTemplate, name);
    const object = { metadata: { name, ...demandOf(name, current, ifMatch) }, spec };
    try {
      const template = await this.#client.apply<StackTemplate>(kinds.StackTemplate, object, { fieldManager, force, dryRun });
      return { template, created: current === undefined };
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (error.reason === 'Conflict' && error.causes.length > 0) throw managed(error);
      if (error.reason === 'Conflict') throw changed(name);
      throw refusalOf(error);
    }
  }
}

/** @param error the API server's answer to a conflicting apply. It has a cause for each field: `conflict with "kubectl" using …`. */
function managed(error: KubeError): Problem {
  const faults = faultsOfRefusal(error);
  const managers = new Set(error.causes.map(({ message }) => /conflict with "([^"]+)"/.exec(message)?.[1] ?? 'another manager'));
  const detail = `${[...managers].join(', ')} manages fields of this change and would set them back.`;
  return new Problem('field-managed', detail, { errors: errorsOf(faults), cause: error });
}

/** The preconditions of the write that If-Match demands. @throws Problem precondition-failed */
function demandOf(
  name: string,
  current: StackTemplate | undefined,
  ifMatch: Demand | undefined,
): { resourceVersion?: string; uid?: string } {
  if (ifMatch === undefined) return {};
  if (current === undefined) throw new Problem('precondition-failed', `If-Match names a version, but template ${name} does not exist.`);
  const { uid = '', resourceVersion = '' } = current.metadata;
  if (ifMatch === 'any') return { uid };
  if (!ifMatch.includes(resourceVersion)) throw changed(name);
  return { resourceVersion };
}

function notFound(name: string): Problem {
  return new Problem('template-not-found', `No template named ${name} was found.`);
}

function changed(name: string): Problem {
  return new Problem('precondition-failed', `Template ${name} has changed since it was read.`);
}
