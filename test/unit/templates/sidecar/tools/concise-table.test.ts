import { expect, it } from 'vitest';
import { concise } from '../../../../../templates/sidecar/tools/concise-schema.ts';

it.each<[object, object]>([
  [{ type: 'integer', minimum: 0 }, { type: 'integer' }],
  [{ type: 'integer', minimum: 1 }, { type: 'integer' }],
  [
    { type: 'integer', minimum: 2 },
    { type: 'integer', minimum: 2 },
  ],
  [
    { type: 'integer', maximum: 0 },
    { type: 'integer', maximum: 0 },
  ],
  [{ additionalProperties: false }, {}],
  [{ additionalProperties: {} }, {}],
  [{ additionalProperties: { type: 'string', maxLength: 3 } }, { additionalProperties: { type: 'string' } }],
  [{ type: 'string', enum: ['a', null] }, { enum: ['a', null] }],
  [
    { type: 'integer', enum: [1, 'a'] },
    { type: 'integer', enum: [1, 'a'] },
  ],
  [{ pattern: '^a$' }, { pattern: '^a$' }],
  [{ pattern: '^a$', description: 'an a' }, { description: 'an a' }],
  [{ format: 'uuid' }, {}],
  [{ format: 'date' }, { format: 'date' }],
  [{ properties: { title: { maxLength: 3, type: 'string' }, any: true } }, { properties: { title: { type: 'string' }, any: true } }],
  [
    { $defs: { title: { title: 'T' } }, patternProperties: { a: { title: 'T' } } },
    { $defs: { title: {} }, patternProperties: { a: {} } },
  ],
  [{ properties: 'none' }, { properties: 'none' }],
  [{ oneOf: [{ title: 'T' }, true] }, { oneOf: [{}, true] }],
  [{ allOf: 'none' }, { allOf: 'none' }],
  [{ required: ['title'] }, { required: ['title'] }],
  [{ items: { title: 'T', type: 'string' } }, { items: { type: 'string' } }],
  [
    { default: { title: 'T' }, const: { title: 'T' } },
    { default: { title: 'T' }, const: { title: 'T' } },
  ],
])('%j is said as %j', (schema, said) => {
  expect(concise({ ...schema })).toEqual(said);
});
