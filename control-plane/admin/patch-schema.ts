import { z } from 'zod';

type Json = Record<string, unknown>;

/**
 * The JSON Schema of JSON merge patches for `schema`: every field can be left out, null removes an optional field, and lists are replaced as a
 * whole. It is for the OpenAPI document. A patch itself is checked after it has been applied.
 */
export function mergePatchSchema(schema: z.ZodType): Json {
  const { $schema: _, ...document } = z.toJSONSchema(schema, { io: 'input', reused: 'inline' });
  return patchOf(document);
}

function patchOf(schema: Json): Json {
  const { required = [], default: _default, minProperties: _minProperties, properties, additionalProperties, ...rest } = schema;
  if (properties !== undefined) {
    const fields = Object.entries(properties as Record<string, Json>).map(([name, field]) => {
      const patch = patchOf(field);
      return [name, (required as string[]).includes(name) ? patch : nullable(patch)];
    });
    return { ...rest, properties: Object.fromEntries(fields), additionalProperties: false };
  }
  if (rest['type'] === 'object' && additionalProperties !== undefined)
    return { ...rest, additionalProperties: nullable(patchOf(additionalProperties as Json)) };
  return rest;
}

function nullable(schema: Json): Json {
  if (typeof schema['type'] !== 'string') return schema;
  const values = Array.isArray(schema['enum']) ? { enum: [...(schema['enum'] as unknown[]), null] } : {};
  return { ...schema, type: [schema['type'], 'null'], ...values };
}
