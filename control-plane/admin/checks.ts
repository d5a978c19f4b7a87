import { fitTenant } from '../../crds/fit.ts';
import type { Fault } from '../../crds/parameters.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import { isObject } from '../../json/object.ts';

/** Lookups of the checks. */
export interface Lookups {
  readonly template: (name: string) => Promise<{ readonly spec: StackTemplateSpec } | undefined>;
  readonly templateNames: () => readonly string[];
  /** Contents of that revision of the template; undefined when it does not exist. */
  readonly revision: (template: string, revision: string) => Promise<StackTemplateSpec | undefined>;
  readonly organizationExists: (id: string) => Promise<boolean>;
}

/**
 * Faults that the schema of a tenant cannot find: an unknown template or organization, and fields that the template does not allow. `fields`
 * is the unchecked body, so that one answer has these faults and those of the schema.
 */
export async function faultsOfReferences(fields: unknown, lookups: Lookups): Promise<Fault[]> {
  if (!isObject(fields)) return [];
  const [ofTemplate, ofOrganization] = await Promise.all([templateFaults(fields, lookups), organizationFaults(fields, lookups)]);
  return [...ofTemplate, ...ofOrganization];
}

async function templateFaults(fields: Record<string, unknown>, lookups: Lookups): Promise<Fault[]> {
  const name = isObject(fields['template']) ? fields['template']['name'] : undefined;
  if (typeof name !== 'string' || !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return [];
  const template = await lookups.template(name);
  if (template === undefined) {
    const known = lookups.templateNames();
    const hint = known.length === 0 ? 'no template exists' : `the templates are: ${known.join(', ')}`;
    return [{ pointer: '/template/name', message: `is not the name of a StackTemplate; ${hint}` }];
  }
  const pinned = isObject(fields['template']) ? fields['template']['revision'] : undefined;
  const hasRevision = typeof pinned === 'string' && /^[0-9a-f]{10}$/.test(pinned);
  const spec = hasRevision ? await lookups.revision(name, pinned) : template.spec;
  if (spec === undefined)
    return [
      {
        pointer: '/template/revision',
        message: `is not a revision of template ${name}; GET /admin/templates/${name}/revisions lists its revisions`,
      },
    ];
  return fitTenant(spec, fields, '').misfits.flatMap(({ reason, faults }) =>
    reason === 'TemplateInvalid'
      ? faults.map(({ pointer: at, message }) => ({
          pointer: '/template/name',
          message: `names a template that cannot be used: its ${at} ${message}`,
        }))
      : faults,
  );
}

async function organizationFaults(fields: Record<string, unknown>, { organizationExists }: Lookups): Promise<Fault[]> {
  const id = fields['organizationId'];
  if (typeof id !== 'string' || !/^org_[A-Za-z0-9]{1,60}$/.test(id)) return [];
  return (await organizationExists(id))
    ? []
    : [{ pointer: '/organizationId', message: 'is not an organization of this WorkOS environment' }];
}
