import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { jsonBody, toolsOf } from './operations.ts';

const deep = (levels: number): object => (levels === 0 ? { properties: { leaf: {} } } : { allOf: [deep(levels - 1)] });
const form = 'application/x-www-form-urlencoded';
const body = (content: object, more: object = {}) => ({ requestBody: { content, ...more } });
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });

/** Operations that together use what an OpenAPI document can say of a call. */
const paths = {
  '/things': {
    parameters: [{ name: 'shared', in: 'query', schema: { type: 'string' } }, { $ref: '#/components/parameters/limit' }],
    get: {
      operationId: 'listThings',
      summary: '  List things  ',
      description: '   ',
      tags: ['Things', 7, 'Lists'],
      parameters: [
        { name: 'shared', in: 'query', required: true, schema: { type: 'integer' }, description: 'Overridden' },
        { name: 'ids', in: 'query', schema: { type: 'array' }, style: 'pipeDelimited' },
        { name: 'sort', in: 'query', schema: { type: 'array' }, explode: false },
        { name: 'names', in: 'query', schema: { type: 'array' }, style: 'spaceDelimited', explode: true },
        { name: 'filter', in: 'query', style: 'deepObject', explode: true, schema: object({ a: {} }) },
        { name: 'json', in: 'query', content: { 'application/json': { schema: { type: 'object' } } } },
        { name: 'strange', in: 'query', style: 'matrix', explode: 'yes', schema: {} },
        { name: '--X-REQUEST--trace-id', in: 'header', schema: { type: 'string' }, 'x-sensitive': true },
        { name: 'X-Static', in: 'header', required: true, schema: {} },
        { name: 'Authorization', in: 'header', required: true, schema: {} },
        { name: 'session', in: 'cookie', schema: {} },
        { name: 'lost', in: 'nowhere', required: true, schema: {} },
        { in: 'query', required: true, schema: {} },
        { name: 'a very long name of a parameter that no client would accept as it stands', in: 'query', schema: {} },
        'no parameter',
      ],
    },
    head: { operationId: 'headThings' },
    post: {
      operationId: 'createThing',
      description: 'Creates a thing',
      'x-sensitive': true,
      ...jsonBody(
        object(
          { name: { type: 'string' }, shared: {}, limit: {}, 'bad/key': {}, no: 'schema' },
          { required: ['name', 7], additionalProperties: false },
        ),
      ),
    },
    put: { operationId: 'replaceThings', ...jsonBody({ type: 'array' }) },
    patch: { operationId: 'patchThings', ...body({ 'application/merge-patch+json': { schema: object({ a: {} }, { required: ['a'] }) } }) },
    delete: { operationId: 'deleteThings', parameters: [{ name: 'needed', in: 'cookie', required: true, schema: {} }] },
  },
  '/things/{id}/{undeclared}': {
    get: { operationId: 'getThing', parameters: [{ name: 'id', in: 'path', explode: true, schema: { type: 'array' } }] },
    delete: { operationId: 'deleteThing' },
  },
  '/bodies/1': { post: { operationId: 'any', ...body({ '*/*': { schema: object({ a: {} }) } }, { required: true }) } },
  '/bodies/2': { post: { operationId: 'anyApplication', ...body({ 'application/*': {}, [form]: {} }) } },
  '/bodies/3': {
    post: {
      operationId: 'form',
      ...body({ 'text/plain': {}, [form]: { schema: object({ a: {} }, { required: ['a'] }) } }, { required: true }),
    },
  },
  '/bodies/4': { post: { operationId: 'text', ...body({ 'text/*': { schema: { maxLength: 9 } } }) } },
  '/bodies/5': { post: { operationId: 'csv', ...body({ 'text/csv': {} }, { required: true }) } },
  '/bodies/6': { post: { operationId: 'binary', ...body({ 'image/png': {} }, { required: true }) } },
  '/bodies/7': { post: { operationId: 'optionalBinary', ...body({ 'image/png': {} }) } },
  '/bodies/8': { post: { operationId: 'noContent', requestBody: { content: 'none', required: true } } },
  '/bodies/9': {
    post: {
      operationId: 'jsonFirst',
      ...body({ 'application/hal+json': {}, 'application/json; charset=utf-8': { schema: object({ b: {} }) } }),
    },
  },
  '/bodies/10': { post: { operationId: 'noMedia', ...body({ 'application/json': 'none' }, { required: true }) } },
  '/shapes/1': { post: { operationId: 'oneOf', ...jsonBody({ oneOf: [object({ a: {} })], properties: { b: {} } }) } },
  '/shapes/2': {
    post: { operationId: 'map', ...jsonBody({ type: 'object', additionalProperties: { type: 'string' }, properties: { a: {} } }) },
  },
  '/shapes/3': { post: { operationId: 'free', ...jsonBody({ type: 'object' }) } },
  '/shapes/4': { post: { operationId: 'openMap', ...jsonBody(object({ a: {} }, { additionalProperties: {} })) } },
  '/shapes/5': { post: { operationId: 'unevaluated', ...jsonBody(object({ a: {} }, { unevaluatedProperties: false })) } },
  '/shapes/6': {
    post: {
      operationId: 'allOf',
      ...jsonBody({
        allOf: [
          object({ a: { type: 'string' }, b: {} }, { required: ['a'] }),
          object({ a: { minLength: 1 }, c: {} }, { additionalProperties: false }),
        ],
        properties: { c: { type: 'integer' } },
        required: ['c'],
      }),
    },
  },
  '/shapes/7': { post: { operationId: 'allOfOther', ...jsonBody({ allOf: [object({ a: {} }), { oneOf: [{}] }] }) } },
  '/shapes/8': { post: { operationId: 'allOfText', ...jsonBody({ allOf: ['text'] }) } },
  '/shapes/9': { post: { operationId: 'deep', ...jsonBody(deep(16)) } },
  '/shapes/10': { post: { operationId: 'tooDeep', ...jsonBody(deep(17)) } },
  '/shapes/11': { post: { operationId: 'writeOnly', ...jsonBody(object({ a: { type: 'string' } }, { writeOnly: true })) } },
  '/shapes/12': { post: { operationId: 'sensitive', ...jsonBody(object({ a: { type: 'string' } }, { 'x-sensitive': true })) } },
  '/shapes/13': { post: { operationId: 'untyped', ...jsonBody({ properties: { a: {} } }) } },
  '/shapes/14': { post: { operationId: 'recursive', ...jsonBody({ $ref: '#/components/schemas/Node' }, false) } },
  '/shapes/15': { post: { operationId: 'referenced', requestBody: { $ref: '#/components/requestBodies/Thing' } } },
};

const components = {
  parameters: { limit: { name: 'limit', in: 'query', schema: { type: 'integer', default: 20 } } },
  requestBodies: {
    Thing: { $ref: '#/components/requestBodies/Real' },
    Real: { ...jsonBody(object({ a: {} })).requestBody },
  },
  schemas: { Node: object({ name: { type: 'string' }, next: { $ref: '#/components/schemas/Node' } }, { required: ['name'] }) },
};

/** LLM clients know the tools by their names and arguments, so a change of this file is a change for them. */
it('operations become the stored tools', async () => {
  const { tools, skipped } = toolsOf(paths, components);
  await expect(stringify({ tools, skipped }, { aliasDuplicateObjects: false, lineWidth: 0 })).toMatchFileSnapshot('converted.yaml');
});
