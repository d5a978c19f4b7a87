import { isObject } from '../../../json/object.ts';
import { atReference } from '../../../json/pointer.ts';
import { hopByHop } from '../../../net/hop-by-hop.ts';
import type { JsonSchema } from '../../runtime/json-schema.ts';
import type { Annotations, Binding, Style, Tool, ToolBody } from '../settings/tool.ts';
import { type SchemaResolver, UnusableSchema } from './schema-resolver.ts';

/** Headers that are the sidecar's or the connection's to set; OpenAPI itself ignores the first three as parameters. */
const reservedHeaders = new Set([
  'accept',
  'authorization',
  'content-type',
  ...hopByHop,
  'content-length',
  'cookie',
  'forwarded',
  'host',
  'x-api-key',
  'x-request-id',
]);

export interface OperationSource {
  readonly document: unknown;
  readonly resolver: SchemaResolver;
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly operation: JsonSchema;
  /** Parameters of the path item, which the operation's own override. */
  readonly shared: readonly unknown[];
  /** Header names, lower-case, that callers must not set. */
  readonly reserved: readonly string[];
}

/** The arguments of a tool while they are gathered. */
interface Arguments {
  readonly properties: Record<string, JsonSchema>;
  readonly required: string[];
  readonly bindings: Binding[];
  readonly definitions: Record<string, JsonSchema>;
}

/** @throws {UnusableSchema} when the operation cannot be called with JSON arguments. */
export function toolOf(source: OperationSource): Tool {
  const { operation, method } = source;
  const gathered: Arguments = { properties: {}, required: [], bindings: [], definitions: {} };
  for (const parameter of parametersOf(source)) addParameter(gathered, parameter, source);
  const body = addBody(gathered, source);
  const title = textOf(operation['summary']);
  const description = textOf(operation['description']) ?? title;
  return {
    name: source.name,
    title,
    description,
    inputSchema: {
      type: 'object',
      ...(operation['x-sensitive'] === true && { 'x-sensitive': true }),
      properties: gathered.properties,
      ...(gathered.required.length > 0 && { required: gathered.required }),
      ...(!body?.open && { additionalProperties: false }),
      ...(Object.keys(gathered.definitions).length > 0 && { $defs: gathered.definitions }),
    },
    annotations: annotationsOf(method, title),
    tags: tagsOf(operation),
    method: method.toUpperCase(),
    path: source.path,
    bindings: gathered.bindings,
    body: body?.body,
  };
}

export function tagsOf(operation: JsonSchema): string[] {
  const tags: readonly unknown[] = Array.isArray(operation['tags']) ? operation['tags'] : [];
  return tags.filter((tag) => typeof tag === 'string');
}

function annotationsOf(method: string, title: string | undefined): Annotations {
  const named = title === undefined ? {} : { title };
  if (method === 'get' || method === 'head') return { ...named, readOnlyHint: true, openWorldHint: false };
  return {
    ...named,
    readOnlyHint: false,
    // POST adds; the others overwrite or remove.
    destructiveHint: method !== 'post',
    // The answer to a second DELETE differs from the first: a caller sees an error.
    idempotentHint: method === 'put',
    openWorldHint: false,
  };
}

function parametersOf({ document, operation, shared, path }: OperationSource): JsonSchema[] {
  // A name in the path is a parameter even where the document does not declare it.
  const byPlace = new Map<string, JsonSchema>(
    [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => [`path ${name}`, { name, in: 'path', schema: { type: 'string' } }]),
  );
  for (const given of [...shared, ...(Array.isArray(operation['parameters']) ? operation['parameters'] : [])]) {
    const parameter = dereference(document, given);
    if (parameter !== undefined) byPlace.set(`${parameter['in']} ${parameter['name']}`, parameter);
  }
  return [...byPlace.values()];
}

/** Parameters, bodies and path items may be references themselves. */
export function dereference(document: unknown, value: unknown): JsonSchema | undefined {
  let current = value;
  for (let hops = 0; isObject(current) && hops < 20; hops++) {
    if (typeof current['$ref'] !== 'string') return current;
    current = atReference(document, current['$ref']);
  }
  return undefined;
}

function addParameter(gathered: Arguments, parameter: JsonSchema, source: OperationSource): void {
  const { name, in: place } = parameter;
  const required = parameter['required'] === true || place === 'path';
  if (typeof name !== 'string') return;
  if (
    place === 'cookie' ||
    (place === 'header' && (reservedHeaders.has(name.toLowerCase()) || source.reserved.includes(name.toLowerCase())))
  ) {
    if (required && place === 'cookie') throw new UnusableSchema(`it needs the cookie ${name}`);
    return;
  }
  if (place !== 'path' && place !== 'query' && place !== 'header') return;
  const content = isObject(parameter['content']) ? Object.values(parameter['content'])[0] : undefined;
  const { schema, definitions } = source.resolver.resolve(isObject(content) ? content['schema'] : parameter['schema']);
  const description = textOf(parameter['description']);
  const argument = freeName(gathered, place === 'header' ? camelCase(name) : name, place);
  gathered.properties[argument] = {
    ...schema,
    ...(description !== undefined && { description }),
    ...(parameter['x-sensitive'] === true && { 'x-sensitive': true }),
  };
  if (required) gathered.required.push(argument);
  Object.assign(gathered.definitions, definitions);
  gathered.bindings.push({
    in: place,
    argument,
    name,
    style: content === undefined ? styleOf(parameter, place) : { kind: 'json', explode: false },
  });
}

function styleOf(parameter: JsonSchema, place: 'path' | 'query' | 'header'): Style {
  if (place !== 'query') return { kind: 'simple', explode: parameter['explode'] === true };
  const kind = (['spaceDelimited', 'pipeDelimited', 'deepObject'] as const).find((style) => style === parameter['style']) ?? 'form';
  return { kind, explode: typeof parameter['explode'] === 'boolean' ? parameter['explode'] : kind === 'form' };
}

function addBody(gathered: Arguments, source: OperationSource): { body: ToolBody; open: boolean } | undefined {
  const requestBody = dereference(source.document, source.operation['requestBody']);
  if (requestBody === undefined) return undefined;
  const required = requestBody['required'] === true;
  const chosen = mediaTypeOf(requestBody['content']);
  if (chosen === undefined) {
    if (required) throw new UnusableSchema('its body is neither JSON, a form nor text');
    return undefined;
  }
  const { schema, definitions } = source.resolver.resolve(chosen.schema);
  Object.assign(gathered.definitions, definitions);
  const shape = chosen.encoding === 'text' ? undefined : shapeOf(schema, definitions);
  if (shape === undefined) {
    const argument = freeName(gathered, 'body', 'body');
    gathered.properties[argument] = chosen.encoding === 'text' ? { type: 'string', ...schema } : schema;
    if (required) gathered.required.push(argument);
    gathered.bindings.push({ in: 'body', argument });
    return { body: { mediaType: chosen.mediaType, encoding: chosen.encoding, required, open: false }, open: false };
  }
  for (const [name, property] of Object.entries(shape.properties)) {
    const argument = freeName(gathered, name, 'body');
    gathered.properties[argument] = property;
    if (required && shape.required.includes(name)) gathered.required.push(argument);
    gathered.bindings.push({ in: 'property', argument, name });
  }
  return { body: { mediaType: chosen.mediaType, encoding: chosen.encoding, required, open: shape.open }, open: shape.open };
}

function mediaTypeOf(content: unknown): { mediaType: string; encoding: ToolBody['encoding']; schema: unknown } | undefined {
  if (!isObject(content)) return undefined;
  const types = Object.entries(content).map(([mediaType, media]) => ({ mediaType, schema: isObject(media) ? media['schema'] : undefined }));
  const find = (pattern: RegExp) => types.find(({ mediaType }) => pattern.test(mediaType));
  const json = find(/^application\/json\b/i) ?? find(/\+json\b/i);
  if (json) return { ...json, encoding: 'json' };
  const any = find(/^(\*|application)\/\*$/);
  if (any) return { ...any, mediaType: 'application/json', encoding: 'json' };
  const form = find(/^application\/x-www-form-urlencoded\b/i);
  if (form) return { ...form, encoding: 'form' };
  const text = find(/^text\//i);
  return text && { ...text, mediaType: text.mediaType === 'text/*' ? 'text/plain' : text.mediaType, encoding: 'text' };
}

/** What a reference to a definition stands for: a recursive body is laid flat all the same. */
function unfold(schema: JsonSchema, definitions: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const { $ref: reference, ...siblings } = schema;
  const target = typeof reference === 'string' ? definitions[reference.replace('#/$defs/', '')] : undefined;
  return target === undefined ? schema : { ...target, ...siblings };
}

interface Shape {
  readonly properties: Readonly<Record<string, JsonSchema>>;
  readonly required: readonly string[];
  readonly open: boolean;
}

/** Keywords that relate properties to one another, which arguments laid side by side with others could not keep. */
const relating = [
  'anyOf',
  'oneOf',
  'not',
  'if',
  'patternProperties',
  'propertyNames',
  'dependentRequired',
  'dependentSchemas',
  '$ref',
  'enum',
  'const',
];

/** A schema that is `allOf` itself would never end. */
const maxAllOfDepth = 16;

/** The properties of a plain object, `allOf` of such included; undefined for everything else, which stays one argument. */
function shapeOf(given: JsonSchema, definitions: Readonly<Record<string, JsonSchema>>, depth = 0): Shape | undefined {
  if (depth > maxAllOfDepth) return undefined;
  const schema = unfold(given, definitions);
  if (relating.some((keyword) => schema[keyword] !== undefined)) return undefined;
  if (schema['type'] !== undefined && schema['type'] !== 'object') return undefined;
  const parts = (Array.isArray(schema['allOf']) ? schema['allOf'] : []).map((part) =>
    isObject(part) ? shapeOf(part, definitions, depth + 1) : undefined,
  );
  const additional = schema['additionalProperties'] ?? schema['unevaluatedProperties'];
  if (isObject(additional) && Object.keys(additional).length > 0) return undefined;
  const own = isObject(schema['properties']) ? schema['properties'] : {};
  const properties: Record<string, JsonSchema> = {};
  const required = new Set<string>();
  let open = additional !== false;
  for (const part of parts) {
    if (part === undefined) return undefined;
    for (const [name, property] of Object.entries(part.properties)) {
      properties[name] = properties[name] === undefined ? property : { allOf: [properties[name], property] };
    }
    for (const name of part.required) required.add(name);
    open &&= part.open;
  }
  for (const [name, property] of Object.entries(own)) if (isObject(property)) properties[name] = property;
  if (Array.isArray(schema['required'])) for (const name of schema['required']) required.add(String(name));
  // A map of free keys does not help an LLM when it is flattened.
  if (Object.keys(properties).length === 0) return undefined;
  return { properties: isMarked(schema) ? marked(properties) : properties, required: [...required], open };
}

/** Whether the document says that the audit must not keep such values. */
function isMarked(schema: JsonSchema): boolean {
  return schema['x-sensitive'] === true || schema['writeOnly'] === true;
}

/** What is said of an object is true of its parts when they are arguments of their own. */
function marked(properties: Readonly<Record<string, JsonSchema>>): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, { ...property, 'x-sensitive': true }]));
}

/** A name no other argument has, of characters every client accepts; a clash is settled by naming the place. */
function freeName(gathered: Arguments, wanted: string, place: string): string {
  const name = wanted.replaceAll(/[^\w.-]/g, '_').slice(0, 56) || place;
  for (let attempt = 0; ; attempt++) {
    const candidate = [name, `${place}_${name}`][attempt] ?? `${place}_${name}_${attempt}`;
    if (!Object.hasOwn(gathered.properties, candidate)) return candidate;
  }
}

function camelCase(header: string): string {
  const [first = '', ...rest] = header.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return first.toLowerCase() + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()).join('');
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}
