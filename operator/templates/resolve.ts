import type { StallOf } from '../../crds/conditions.ts';
import { fitTenant, type Misfit } from '../../crds/fit.ts';
import type { StackTemplate, StackTemplateRevision, StackTemplateSpec } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';

/** The templates in the cluster and their revisions. */
export interface Templates {
  /** The template with its present contents. */
  readonly newest: (template: string) => StackTemplate | undefined;
  /** Its revisions, latest first. */
  readonly of: (template: string) => readonly StackTemplateRevision[];
}

/** The reason why the contents of a template cannot be used, with the remedy. */
export interface Unresolved {
  readonly reason: StallOf<'TemplateResolved'>;
  readonly message: string;
}

export interface Resolved {
  readonly template: Pick<StackTemplate, 'spec'>;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** The contents that a tenant runs: those of the revision it names, else the newest. If they cannot be used, the fault and its remedy. */
export function resolveTemplate(tenant: Tenant, templates: Templates): Unresolved | Resolved {
  const { name, revision } = tenant.spec.template;
  const template = revision === undefined ? templates.newest(name)?.spec : pinned(templates.of(name), revision);
  if (!template) return revision === undefined ? unknownTemplate(name) : unknownRevision(name, revision, templates.of(name));
  const { parameters, misfits } = fitTenant(template, tenant.spec, '/spec');
  const [misfit] = misfits;
  return misfit ? unresolvedBy(misfit, name) : { template: { spec: template }, parameters };
}

function unresolvedBy({ reason, faults }: Misfit, template: string): Unresolved {
  const list = faults.map(({ pointer, message }) => `${pointer} ${message}`).join('; ');
  if (reason === 'TemplateInvalid') return { reason, message: `StackTemplate ${template} cannot be used: ${list}. Correct the template.` };
  return { reason, message: `The tenant does not fit StackTemplate ${template}: ${list}. Correct the tenant.` };
}

const pinned = (known: readonly StackTemplateRevision[], revision: string): StackTemplateSpec | undefined =>
  known.find(({ spec }) => spec.revision === revision)?.spec.spec;

function unknownTemplate(name: string): Unresolved {
  const message = `StackTemplate ${name} does not exist: apply it, or see what there is with kubectl get stacktemplates.`;
  return { reason: 'TemplateNotFound', message };
}

function unknownRevision(name: string, revision: string, known: readonly StackTemplateRevision[]): Unresolved {
  const available = known.length === 0 ? 'it has none' : `it has: ${known.map(({ spec }) => spec.revision).join(', ')}`;
  return {
    reason: 'RevisionNotFound',
    message: `StackTemplate ${name} has no revision ${revision}; ${available}. Name one of them, or none for the newest.`,
  };
}
