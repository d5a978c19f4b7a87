import { entriesOf, isObject } from '../json/object.ts';
import { escapePointer } from '../json/pointer.ts';
import { containerFaults } from './containers.ts';
import { checkParameters, type Fault, schemaFaults } from './parameters.ts';
import type { StackTemplateSpec } from './stack-template.ts';

/** A tenant's choices within its template: fields of its `spec`, of any shape. */
export interface Choices {
  readonly parameters?: unknown;
  readonly services?: unknown;
  readonly containers?: unknown;
}

/** Faults of one kind. `TemplateInvalid`: only a change of the template solves them, and pointers lead into the template. */
export interface Misfit {
  readonly reason: 'TemplateInvalid' | 'ParametersInvalid' | 'ContainersInvalid';
  readonly faults: readonly Fault[];
}

export interface Fit {
  /** The tenant's parameters with the defaults of the template's schema; empty if they do not fit. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Empty if the tenant fits. */
  readonly misfits: readonly Misfit[];
}

/**
 * Checks whether a tenant fits its template. The operator and the Admin API share this check. `at` is the pointer of the tenant's fields in
 * the user's document. Fields of a wrong type are reported by the check of the form, not here.
 */
export function fitTenant(template: StackTemplateSpec, choices: Choices, at: string): Fit {
  const unusable = schemaFaults(template.parameters, '/spec/parameters');
  const chosen = choices.parameters ?? {};
  const checked = unusable.length === 0 && isObject(chosen) ? checkParameters(template.parameters, chosen, `${at}/parameters`) : undefined;
  const misfits: readonly Misfit[] = [
    { reason: 'TemplateInvalid', faults: unusable },
    {
      reason: 'ParametersInvalid',
      faults: [...(checked?.ok === false ? checked.faults : []), ...serviceFaults(template, choices.services, `${at}/services`)],
    },
    { reason: 'ContainersInvalid', faults: containerFaults(template, choices.containers, `${at}/containers`) },
  ];
  return { parameters: checked?.ok ? checked.parameters : {}, misfits: misfits.filter(({ faults }) => faults.length > 0) };
}

function serviceFaults(template: StackTemplateSpec, services: unknown, at: string): Fault[] {
  const known = (template.services ?? []).map(({ name }) => name);
  return entriesOf(services)
    .filter(([name]) => !known.includes(name))
    .map(([name]) => ({
      pointer: `${at}/${escapePointer(name)}`,
      message: `is not a service of the template; ${known.length === 0 ? 'it has none' : `it has: ${known.join(', ')}`}`,
    }));
}
