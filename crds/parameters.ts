import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { entriesOf } from '../json/object.ts';
import { escapePointer } from '../json/pointer.ts';
import { within } from './deadline.ts';
import { compilePattern } from './patterns.ts';
import { faultOfText } from './schema.ts';

/** Most levels of objects and arrays in a document. Checks recurse, so a deeper document would overflow the stack. */
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

/** A fault in a user's document. */
export interface Fault {
  /** JSON pointer (RFC 6901) to the faulty value. */
  readonly pointer: string;
  readonly message: string;
}

/** Largest `spec.parameters`, in bytes of JSON. A parameter that becomes a variable must fit into the environment of a program. */
const maxBytes = 64 * 1024;
/** Most faults that are listed. Further faults are only counted. */
const maxFaults = 20;
/**
 * Time limit of a check, in milliseconds. A check takes well under a millisecond. Only a schema that refers to itself in several places can
 * reach the limit.
 */
const deadlineMs = 1_000;

type CompiledSchema = { readonly validate: ValidateFunction } | { readonly faults: readonly Fault[] };

const compiledSchemas = new WeakMap<object, CompiledSchema>();
const noSchema = {};

/** The compiled schema, cached for each schema object because compiling takes milliseconds. Pointers of faults lead into the schema. */
function compiledOf(schema: Readonly<Record<string, unknown>>): CompiledSchema {
  const known = compiledSchemas.get(schema);
  if (known !== undefined) return known;
  const compiled = compileSchema(schema);
  compiledSchemas.set(schema, compiled);
  return compiled;
}

function compileSchema(schema: Readonly<Record<string, unknown>>): CompiledSchema {
  if (isDeeperThan(schema, maxDepth)) return { faults: [{ pointer: '', message: `is nested deeper than ${maxDepth} levels` }] };
  const faults = patternsIn(schema, '').flatMap(patternFaults);
  if (faults.length > 0) return { faults: limited(faults, '') };
  // Ajv needs `code` only for modules that are written to disk. None are written here.
  const regExp = Object.assign((source: string) => compilePattern(source), { code: '' });
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, strict: false, logger: false, code: { regExp } });
  addFormats.default(ajv);
  // The regular expression of ajv-formats for `url` takes quadratic time.
  ajv.addFormat('url', (text) => /^(?:https?|ftp):/i.test(text) && URL.canParse(text));
  try {
    const validate = ajv.compile({ type: 'object', additionalProperties: false, ...schema });
    // An asynchronous schema would give its result too late.
    return '$async' in validate ? { faults: [{ pointer: '/$async', message: 'is not a keyword of JSON Schema' }] } : { validate };
  } catch (error) {
    return { faults: [{ pointer: '', message: `is not a usable JSON Schema: ${(error as Error).message.slice(0, 300)}` }] };
  }
}

/**
 * Faults of a template's parameter schema. Without faults, tenants can be checked against it. `at` is its pointer in the user's document.
 */
export function schemaFaults(schema: Readonly<Record<string, unknown>> | undefined, at: string): Fault[] {
  const compiled = compiledOf(schema ?? noSchema);
  return 'faults' in compiled ? compiled.faults.map(({ pointer, message }) => ({ pointer: `${at}${pointer}`, message })) : [];
}

function patternFaults({ pointer, source }: PatternPlace): Fault[] {
  try {
    compilePattern(source);
    return [];
  } catch (error) {
    const message = `is not a supported pattern: ${(error as Error).message.slice(0, 300)}. Use the syntax of RE2.`;
    return [{ pointer, message }];
  }
}

/** Keywords whose value maps names to schemas, then keywords whose value is data. */
const schemaMaps = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions']);
const dataKeywords = new Set(['const', 'enum', 'default', 'examples']);

interface PatternPlace {
  readonly pointer: string;
  readonly source: string;
}

function patternsIn(schema: unknown, at: string): PatternPlace[] {
  if (Array.isArray(schema)) return schema.flatMap((part, index) => patternsIn(part, `${at}/${index}`));
  return entriesOf(schema).flatMap(([keyword, value]) => {
    const pointer = `${at}/${escapePointer(keyword)}`;
    if (keyword === 'pattern' && typeof value === 'string') return [{ pointer, source: value }];
    if (dataKeywords.has(keyword)) return [];
    if (!schemaMaps.has(keyword)) return patternsIn(value, pointer);
    return entriesOf(value).flatMap(([name, part]) => {
      const below = `${pointer}/${escapePointer(name)}`;
      return [...(keyword === 'patternProperties' ? [{ pointer: below, source: name }] : []), ...patternsIn(part, below)];
    });
  });
}

export type ParameterCheck =
  | { readonly ok: true; readonly parameters: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/**
 * Checks a tenant's parameters against its template's JSON Schema and fills in the schema's defaults. The schema itself must have no
 * faults. A template without a schema allows no parameters. `at` is the pointer of the parameters in the user's document.
 */
export function checkParameters(
  schema: Readonly<Record<string, unknown>> | undefined,
  parameters: Readonly<Record<string, unknown>> | undefined,
  at = '/spec/parameters',
): ParameterCheck {
  const refused = (...faults: Fault[]): ParameterCheck => ({ ok: false, faults: limited(faults, at) });
  const compiled = compiledOf(schema ?? noSchema);
  if ('faults' in compiled) return refused({ pointer: at, message: 'cannot be checked: the schema of the template has faults' });
  if (isDeeperThan(parameters, maxDepth)) return refused({ pointer: at, message: `is nested deeper than ${maxDepth} levels` });
  if (Buffer.byteLength(JSON.stringify(parameters ?? {})) > maxBytes)
    return refused({ pointer: at, message: `is larger than ${maxBytes / 1024} KiB` });
  const controls = controlFaults(parameters, at);
  if (controls.length > 0) return refused(...controls);
  const value = structuredClone(parameters ?? {}) as Record<string, unknown>;
  const { validate } = compiled;
  let fits: boolean;
  try {
    fits = within(deadlineMs, () => validate(value));
  } catch (error) {
    return refused({ pointer: at, message: `cannot be checked against the schema of the template: ${(error as Error).message}` });
  }
  if (fits) return { ok: true, parameters: value };
  const faults = (validate.errors ?? []).map((error) => {
    const extra = error.keyword === 'additionalProperties' ? `/${escapePointer(String(error.params['additionalProperty']))}` : '';
    const allowed =
      error.keyword === 'enum' ? `: ${(error.params['allowedValues'] as unknown[]).map((v) => JSON.stringify(v)).join(', ')}` : '';
    return {
      pointer: `${at}${error.instancePath}${extra}`,
      message: extra ? 'is not a parameter of the template' : `${error.message}${allowed}`,
    };
  });
  return refused(...faults);
}

/** Names and texts with control characters. Variables and databases refuse them, even if the schema allows them. */
function controlFaults(value: unknown, at: string): Fault[] {
  if (typeof value === 'string') {
    const message = faultOfText(value);
    return message === undefined ? [] : [{ pointer: at, message }];
  }
  if (Array.isArray(value)) return value.flatMap((part, index) => controlFaults(part, `${at}/${index}`));
  return entriesOf(value).flatMap(([name, part]) =>
    faultOfText(name) === undefined
      ? controlFaults(part, `${at}/${escapePointer(name)}`)
      : [{ pointer: at, message: 'has a name with control characters' }],
  );
}

function limited(faults: readonly Fault[], at: string): Fault[] {
  if (faults.length <= maxFaults) return [...faults];
  return [...faults.slice(0, maxFaults), { pointer: at, message: `has ${faults.length - maxFaults} more faults` }];
}
