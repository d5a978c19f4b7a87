import { z } from 'zod';
import { isObject } from '../../json/object.ts';
import type { JsonSchema } from '../runtime/json-schema.ts';
import type { Entity } from './entity.ts';
import type { Item } from './item-store.ts';

/** JSON Schemas of one entity, made once at start: they validate requests and stand in the OpenAPI document. */
export interface EntitySchemas {
  /** Body of create and update. */
  readonly payload: JsonSchema;
  /** Body of patch: all fields are optional, and null removes a field that may be removed. */
  readonly patch: JsonSchema;
  /** Fields that only actions set. */
  readonly managed: readonly string[];
}

export function schemasOf(entity: Entity): EntitySchemas {
  const { $schema: _, additionalProperties: __, ...payload } = z.toJSONSchema(entity.payload, { io: 'input', reused: 'inline' });
  const properties = Object.entries(payload.properties ?? {}).map(([name, schema]) => [name, isObject(schema) ? schema : {}] as const);
  const required = new Set(payload.required);
  return {
    payload: { ...payload },
    patch: {
      type: 'object',
      properties: Object.fromEntries(
        properties.map(([name, { default: _default, ...schema }]) => [name, required.has(name) ? schema : nullable(schema)]),
      ),
    },
    managed: properties.filter(([, schema]) => schema['readOnly'] === true).map(([name]) => name),
  };
}

function nullable(schema: JsonSchema): JsonSchema {
  return {
    ...schema,
    type: [schema['type'], 'null'].flat(),
    ...(Array.isArray(schema['enum']) && { enum: [...schema['enum'], null] }),
  };
}

export const uidSchema: JsonSchema = { type: 'string', format: 'uuid' };
const time: JsonSchema = { type: 'string', format: 'date-time' };

/** Fields the server sets beside the payload. A payload must not have fields of these names. */
export const envelope = [
  'uid',
  'version',
  'createdAt',
  'updatedAt',
  'deletedAt',
  'archivedAt',
  'createdBy',
  'updatedBy',
  'payload',
] as const satisfies (keyof Item)[];

/** An item as the API answers it. */
export function itemSchema(payload: JsonSchema): JsonSchema {
  return {
    type: 'object',
    properties: {
      uid: uidSchema,
      version: { type: 'integer', minimum: 1, description: 'Grows with every change; also the ETag.' },
      createdAt: time,
      updatedAt: time,
      deletedAt: { ...time, description: 'Only on deleted items.' },
      archivedAt: { ...time, description: 'Only on archived items.' },
      createdBy: { type: 'string', description: 'Id of a user or an application, or key:<id> of an API key.' },
      updatedBy: { type: 'string' },
      payload,
    },
    required: ['uid', 'version', 'createdAt', 'updatedAt', 'createdBy', 'updatedBy', 'payload'],
  };
}

export function pageSchema(item: JsonSchema): JsonSchema {
  return {
    type: 'object',
    properties: {
      items: { type: 'array', items: item },
      nextCursor: { type: 'string', description: 'Absent on the last page.' },
    },
    required: ['items'],
  };
}

export const problemSchema: JsonSchema = {
  type: 'object',
  description: 'Problem details, RFC 9457.',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'Stable name of the problem, for programs.' },
    detail: { type: 'string', description: 'The fault in this request.' },
    remedy: { type: 'string', description: 'How to solve it.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          pointer: { type: 'string', description: 'JSON pointer into the body.' },
          parameter: { type: 'string', description: 'Name of a path, query or header parameter.' },
          detail: { type: 'string' },
        },
        required: ['detail'],
      },
    },
    requestId: { type: 'string' },
  },
  required: ['type', 'title', 'status', 'code', 'detail', 'remedy', 'requestId'],
};
