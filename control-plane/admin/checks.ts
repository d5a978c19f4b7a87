import { containerFaults } from '../../crds/containers.ts';
import { checkParameters, type Fault } from '../../crds/parameters.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import { isObject } from '../../json/object.ts';
import { escapePointer } from '../../json/pointer.ts';
import { resourceFaults } from './resources.ts';

/** What the checks look up. */
export interface Lookups {
  readonly template: (name: string) => Promise<{ readonly spec: StackTemplateSpec } | undefined>;
  readonly templateNames: () => readonly string[];
  /** What the template was in that revision; undefined where there is no such one. */
  readonly revision: (template: string, revision: string) => Promise<StackTemplateSpec | undefined>;
  readonly organizationExists: (id: string) => Promise<boolean>;
}

/**
 * Faults of a tenant's fields that its schema cannot see: the template, what it allows, and the organization. `fields` is the
 * unchecked body, so that these faults are told together with those of its form.
 */
export async function faultsBeyondForm(fields: unknown, lookups: Lookups): Promise<Fault[]> {
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
    const hint = known.length === 0 ? 'none exist' : `there are: ${known.join(', ')}`;
    return [{ pointer: '/template/name', message: `is not the name of a StackTemplate; ${hint}` }];
  }
  const pinned = isObject(fields['template']) ? fields['template']['revision'] : undefined;
  const hasRevision = typeof pinned === 'string' && /^[0-9a-f]{10}$/.test(pinned);
  const spec = hasRevision ? await lookups.revision(name, pinned) : template.spec;
  if (spec === undefined)
    return [{ pointer: '/template/revision', message: `is no revision of it; GET /admin/templates/${name}/revisions lists them` }];
  const parameters = fields['parameters'];
  const check =
    parameters === undefined || isObject(parameters) ? checkParameters(spec.parameters, parameters, '/parameters') : { ok: true as const };
  return [
    ...(check.ok ? [] : check.faults),
    ...containerFaults(spec, fields['containers'], '/containers'),
    ...resourceFaults(spec, fields['containers']),
    ...serviceFaults(spec, fields['services']),
  ];
}

function serviceFaults(template: StackTemplateSpec, services: unknown): Fault[] {
  if (!isObject(services)) return [];
  const known = (template.services ?? []).map(({ name }) => name);
  return Object.keys(services)
    .filter((name) => !known.includes(name))
    .map((name) => ({
      pointer: `/services/${escapePointer(name)}`,
      message: `is not a service of the template; ${known.length === 0 ? 'it has none' : `it has: ${known.join(', ')}`}`,
    }));
}

async function organizationFaults(fields: Record<string, unknown>, { organizationExists }: Lookups): Promise<Fault[]> {
  const id = fields['organizationId'];
  if (typeof id !== 'string' || !/^org_[A-Za-z0-9]{1,60}$/.test(id)) return [];
  return (await organizationExists(id))
    ? []
    : [{ pointer: '/organizationId', message: 'is not an organization of this WorkOS environment' }];
}
