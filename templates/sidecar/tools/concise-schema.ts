import { isObject } from '../../../json/object.ts';
import type { JsonSchema } from '../../runtime/json-schema.ts';

/**
 * What an LLM is shown of a schema. Every word of a tool list is paid for in each conversation, so what helps nobody choose a value is
 * left out; arguments are still checked against the whole schema, and the error then names the rule.
 */
const dropped = new Set([
  'deprecated',
  'examples',
  'maxItems',
  'maxLength',
  'maxProperties',
  'minItems',
  'minLength',
  'minProperties',
  'title',
  'unevaluatedProperties',
  'uniqueItems',
  'writeOnly',
  'x-sensitive',
]);
/** Formats that the name of an argument says already, or that are a machine's. */
const droppedFormats = new Set(['double', 'float', 'int32', 'int64', 'password', 'uuid']);

export function concise(schema: JsonSchema): JsonSchema {
  const result: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (dropped.has(keyword)) continue;
    if (keyword === 'format' && droppedFormats.has(String(value))) continue;
    // The description says in words what the pattern says in symbols.
    if (keyword === 'pattern' && typeof schema['description'] === 'string') continue;
    // Minimums of 0 and 1 do not help an LLM choose a value.
    if (keyword === 'minimum' && (value === 0 || value === 1)) continue;
    if (keyword === 'additionalProperties' && !(isObject(value) && Object.keys(value).length > 0)) continue;
    if (keyword === 'type' && isTextEnum(schema)) continue;
    if (keyword === 'properties' || keyword === '$defs' || keyword === 'patternProperties') {
      result[keyword] = isObject(value)
        ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, isObject(part) ? concise(part) : part]))
        : value;
    } else if (Array.isArray(value) && ['allOf', 'anyOf', 'oneOf', 'prefixItems'].includes(keyword)) {
      result[keyword] = value.map((part) => (isObject(part) ? concise(part) : part));
    } else result[keyword] = isObject(value) && keyword !== 'default' && keyword !== 'const' ? concise(value) : value;
  }
  return result;
}

function isTextEnum(schema: JsonSchema): boolean {
  const values = schema['enum'];
  return Array.isArray(values) && values.every((value) => typeof value === 'string' || value === null);
}
