import { isObject } from '../../../json/object.ts';
import { atReference } from '../../../json/pointer.ts';
import type { JsonSchema } from '../../runtime/json-schema.ts';

/** A schema that cannot become part of a tool; the message says why. */
export class UnusableSchema extends Error {
  override readonly name = 'UnusableSchema';
}

/** Parts a resolved schema may have: references used many times over make some documents explode when they are inlined. */
const maxParts = 20_000;

const schemaKeywords = new Set([
  'additionalProperties',
  'contains',
  'else',
  'if',
  'items',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
]);
const schemaListKeywords = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const schemaMapKeywords = new Set(['properties', 'patternProperties', 'dependentSchemas']);
/** Say nothing to a validator or an LLM, or would mean something else outside their document. */
const droppedKeywords = new Set([
  '$anchor',
  '$comment',
  '$defs',
  '$dynamicAnchor',
  '$dynamicRef',
  '$id',
  '$schema',
  'definitions',
  'discriminator',
  'example',
  'externalDocs',
  'nullable',
  'xml',
]);

/**
 * Makes schemas of one OpenAPI document stand alone, as JSON Schema 2020-12: references are inlined, recursive ones become `$defs`,
 * what OpenAPI 3.0 says differently is translated, and properties that are `readOnly` are left out of requests.
 */
export class SchemaResolver {
  readonly #document: unknown;
  readonly #recursive = new Set<string>();
  #definitions: Record<string, JsonSchema> = {};
  #parts = 0;

  constructor(document: unknown) {
    this.#document = document;
  }

  /**
   * @returns The schema, and the definitions its recursive parts refer to as `#/$defs/<name>`.
   * @throws {UnusableSchema}
   */
  resolve(schema: unknown): { schema: JsonSchema; definitions: Readonly<Record<string, JsonSchema>> } {
    this.#definitions = {};
    this.#parts = 0;
    return { schema: this.#emit(schema, []), definitions: this.#definitions };
  }

  #emit(schema: unknown, open: readonly string[]): JsonSchema {
    if (++this.#parts > maxParts) throw new UnusableSchema(`it has more than ${maxParts} parts`);
    if (schema === false) return { not: {} };
    if (!isObject(schema)) return {};
    const { $ref: reference, ...siblings } = schema;
    return typeof reference === 'string' ? this.#follow(reference, siblings, open) : this.#translate(schema, open);
  }

  #follow(reference: string, siblings: JsonSchema, open: readonly string[]): JsonSchema {
    const name = definitionName(reference);
    const extra = this.#translate(siblings, open);
    if (open.includes(reference)) this.#recursive.add(reference);
    else if (!(this.#recursive.has(reference) && Object.hasOwn(this.#definitions, name))) {
      const target = atReference(this.#document, reference);
      if (target === undefined) throw new UnusableSchema(`it refers to ${reference}, which is not in the document`);
      const emitted = this.#emit(target, [...open, reference]);
      if (!this.#recursive.has(reference)) return { ...emitted, ...extra };
      this.#definitions[name] = emitted;
    }
    return { ...extra, $ref: `#/$defs/${name}` };
  }

  #translate(schema: JsonSchema, open: readonly string[]): JsonSchema {
    const result: Record<string, unknown> = {};
    for (const [keyword, value] of Object.entries(schema)) {
      if (droppedKeywords.has(keyword) || (keyword.startsWith('x-') && keyword !== 'x-sensitive')) continue;
      if (schemaKeywords.has(keyword)) result[keyword] = typeof value === 'boolean' ? value : this.#emit(value, open);
      else if (schemaListKeywords.has(keyword) && Array.isArray(value)) result[keyword] = value.map((part) => this.#emit(part, open));
      else if (schemaMapKeywords.has(keyword) && isObject(value)) {
        result[keyword] = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, this.#emit(part, open)]));
      } else result[keyword] = value;
    }
    return withoutReadOnly(translate30(result, schema['nullable'] === true));
  }
}

function definitionName(reference: string): string {
  return reference.replace(/^#\/(components\/schemas\/)?/, '').replaceAll(/[^\w.-]/g, '_') || 'root';
}

/** OpenAPI 3.0: `nullable`, and exclusive bounds as flags of the inclusive ones. */
function translate30(schema: Record<string, unknown>, nullable: boolean): Record<string, unknown> {
  const result = { ...schema };
  if (nullable && result['type'] !== undefined) {
    result['type'] = [...new Set([result['type'], 'null'].flat())];
    if (Array.isArray(result['enum']) && !result['enum'].includes(null)) result['enum'] = [...result['enum'], null];
  }
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof result[flag] !== 'boolean') continue;
    if (result[flag] === true) {
      result[flag] = result[bound];
      delete result[bound];
    } else delete result[flag];
  }
  return result;
}

function withoutReadOnly(schema: Record<string, unknown>): JsonSchema {
  const { properties, required } = schema;
  if (!isObject(properties)) return schema;
  const kept = Object.entries(properties).filter(([, part]) => !(isObject(part) && part['readOnly'] === true));
  const result: Record<string, unknown> = { ...schema, properties: Object.fromEntries(kept) };
  if (Array.isArray(required)) {
    const dropped = new Set(Object.keys(properties).filter((name) => !kept.some(([keptName]) => keptName === name)));
    const left = required.filter((name) => !dropped.has(name));
    if (left.length > 0) result['required'] = left;
    else delete result['required'];
  }
  return result;
}
