import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { escapePointer } from '../json/pointer.ts';

/** Levels of objects and arrays that a document may have. Checks recurse: a deeper one would end them with an overflown stack. */
export const maxDepth = 64;

/** Whether `value` has more than `limit` levels of objects and arrays. */
export function isDeeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; ; depth++) {
    const nested = level.filter((part) => part !== null && typeof part === 'object');
    if (nested.length === 0) return false;
    if (depth === limit) return true;
    level = nested.flatMap((part) => Object.values(part as object));
  }
}

/** A fault in a document a user wrote. */
export interface Fault {
  /** JSON pointer (RFC 6901) to the faulty value. */
  readonly pointer: string;
  readonly message: string;
}

const validators = new WeakMap<object, ValidateFunction>();
const noSchema = {};

/** Compiling takes milliseconds, so it is done once for each schema object that is read. @throws Error for what is no JSON Schema. */
function validatorOf(schema: Readonly<Record<string, unknown>>): ValidateFunction {
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, strict: false });
  addFormats.default(ajv);
  const validate = ajv.compile({ type: 'object', additionalProperties: false, ...schema });
  validators.set(schema, validate);
  return validate;
}

export type ParameterCheck =
  | { readonly ok: true; readonly parameters: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/**
 * Checks a tenant's parameters against its template's JSON Schema and fills in the schema's defaults.
 * A template without a schema allows no parameters. `at` is the pointer of the parameters in the user's document.
 */
export function checkParameters(
  schema: Readonly<Record<string, unknown>> | undefined,
  parameters: Readonly<Record<string, unknown>> | undefined,
  at = '/spec/parameters',
): ParameterCheck {
  if (isDeeperThan(parameters, maxDepth))
    return { ok: false, faults: [{ pointer: at, message: `is nested deeper than ${maxDepth} levels` }] };
  const value = structuredClone(parameters ?? {}) as Record<string, unknown>;
  let validate: ValidateFunction;
  try {
    validate = validatorOf(schema ?? noSchema);
  } catch (error) {
    return {
      ok: false,
      faults: [{ pointer: at, message: `the template's parameter schema is not valid JSON Schema: ${(error as Error).message}` }],
    };
  }
  if (validate(value)) return { ok: true, parameters: value };
  const faults = (validate.errors ?? []).map((error) => {
    const extra = error.keyword === 'additionalProperties' ? `/${escapePointer(String(error.params['additionalProperty']))}` : '';
    const allowed =
      error.keyword === 'enum' ? `: ${(error.params['allowedValues'] as unknown[]).map((v) => JSON.stringify(v)).join(', ')}` : '';
    return {
      pointer: `${at}${error.instancePath}${extra}`,
      message: extra ? 'is not a parameter of the template' : `${error.message}${allowed}`,
    };
  });
  return { ok: false, faults };
}
