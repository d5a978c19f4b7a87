import { containerFaults } from '../../crds/containers.ts';
import { checkParameters, type Fault } from '../../crds/parameters.ts';
import type { StackTemplate, StackTemplateRevision, StackTemplateSpec } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { escapePointer } from '../../json/pointer.ts';
import type { Blocked } from '../tenant/status.ts';

/** What there is of templates. */
export interface Templates {
  /** The template with its contents of now. */
  readonly newest: (template: string) => StackTemplate | undefined;
  /** Its revisions, the latest first. */
  readonly of: (template: string) => readonly StackTemplateRevision[];
}

export interface Resolved {
  readonly template: Pick<StackTemplate, 'spec'>;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The contents a tenant runs: those of the revision it names, else the newest. Or what does not fit, with what to do. */
export function resolveTemplate(tenant: Tenant, templates: Templates): Blocked | Resolved {
  const { name, revision } = tenant.spec.template;
  const template = revision === undefined ? templates.newest(name)?.spec : pinned(templates.of(name), revision);
  if (!template) return revision === undefined ? unknownTemplate(name) : unknownRevision(name, revision, templates.of(name));
  const checked = checkParameters(template.parameters, tenant.spec.parameters);
  if (!checked.ok) {
    return { reason: 'ParametersInvalid', message: `The parameters do not fit template ${name}: ${told(checked.faults)}.` };
  }
  const switches = serviceFaults(template, tenant.spec.services ?? {});
  if (switches.length > 0) return { reason: 'ParametersInvalid', message: `The services do not fit template ${name}: ${told(switches)}.` };
  const wrong = containerFaults(template, tenant.spec.containers);
  if (wrong.length > 0) return { reason: 'ContainersInvalid', message: `The containers do not fit template ${name}: ${told(wrong)}.` };
  return { template: { spec: template }, parameters: checked.parameters };
}

const pinned = (known: readonly StackTemplateRevision[], revision: string): StackTemplateSpec | undefined =>
  known.find(({ spec }) => spec.revision === revision)?.spec.spec;

function unknownTemplate(name: string): Blocked {
  const message = `StackTemplate ${name} does not exist: apply it, or see what there is with kubectl get stacktemplates.`;
  return { reason: 'TemplateNotFound', message };
}

function unknownRevision(name: string, revision: string, known: readonly StackTemplateRevision[]): Blocked {
  const told = known.length === 0 ? 'it has none' : `it has: ${known.map(({ spec }) => spec.revision).join(', ')}`;
  return {
    reason: 'RevisionNotFound',
    message: `StackTemplate ${name} has no revision ${revision}; ${told}. Name one of them, or none for the newest.`,
  };
}

function serviceFaults(template: StackTemplateSpec, chosen: Readonly<Record<string, boolean>>): Fault[] {
  const known = (template.services ?? []).map(({ name }) => name);
  return Object.keys(chosen)
    .filter((name) => !known.includes(name))
    .map((name) => ({
      pointer: `/spec/services/${escapePointer(name)}`,
      message: `is not a service of the template; it has: ${known.join(', ') || 'none'}`,
    }));
}

function told(faults: readonly Fault[]): string {
  return faults.map((fault) => `${fault.pointer} ${fault.message}`).join('; ');
}
