import { expect, it } from 'vitest';
import { ArgumentChecker } from '../../../../../templates/sidecar/tools/tool-arguments.ts';
import { requestOf } from '../../../../../templates/sidecar/tools/tool-request.ts';
import { jsonBody, toolOf, toolsOf } from './operations.ts';

it('of arguments that clash name their place', () => {
  const tool = toolOf(
    {
      parameters: [
        { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
        { name: 'id', in: 'query', schema: { type: 'string' } },
        { name: 'Id', in: 'header', schema: { type: 'string' } },
      ],
      ...jsonBody({ type: 'object', properties: { id: { type: 'integer' }, query_id: { type: 'string' } } }),
    },
    '/things/{id}',
  );
  expect(Object.keys(tool.inputSchema['properties'] as object)).toEqual(['id', 'query_id', 'header_id', 'body_id', 'body_query_id']);
  const request = requestOf(tool, { id: 'p', query_id: 'q', header_id: 'h', body_id: 1, body_query_id: 'b' });
  expect(request).toMatchObject({ path: '/things/p?id=q', headers: { id: 'h' }, body: '{"id":1,"query_id":"b"}' });
});

it('are inlined, and recursive ones become definitions', () => {
  const tool = toolOf(jsonBody({ $ref: '#/components/schemas/Node' }), '/n', 'post', {
    schemas: {
      Name: { type: 'string', title: 'Name' },
      Node: {
        type: 'object',
        properties: { name: { $ref: '#/components/schemas/Name' }, left: { $ref: '#/components/schemas/Tree' } },
      },
      Tree: { type: 'object', properties: { root: { $ref: '#/components/schemas/Node' } } },
    },
  });
  expect(tool.inputSchema).toMatchObject({
    properties: { name: { type: 'string' }, left: { properties: { root: { $ref: '#/$defs/Node' } } } },
    $defs: { Node: { type: 'object' } },
  });
  const checker = new ArgumentChecker();
  expect(checker.check(tool, { name: 'a', left: { root: { left: { root: { name: 'b' } } } } })).toEqual([]);
  expect(checker.check(tool, { left: { root: { left: { root: { name: 7 } } } } })).toEqual(['left.root.left.root.name must be string']);
});

it('of 3.0 are translated', () => {
  const tool = toolOf(
    jsonBody({
      type: 'object',
      properties: {
        a: { type: 'string', nullable: true },
        b: { type: 'string', enum: ['x'], nullable: true },
        c: { type: 'number', minimum: 1, exclusiveMinimum: true },
        d: { type: 'number', maximum: 1, exclusiveMaximum: false },
      },
    }),
  );
  expect(tool.inputSchema['properties']).toEqual({
    a: { type: ['string', 'null'] },
    b: { type: ['string', 'null'], enum: ['x', null] },
    c: { type: 'number', exclusiveMinimum: 1 },
    d: { type: 'number', maximum: 1 },
  });
});

it('lose what is read-only, by reference too, wherever it is', () => {
  const tool = toolOf(
    jsonBody({
      type: 'object',
      required: ['id', 'inner'],
      properties: {
        id: { $ref: '#/components/schemas/Id' },
        inner: { type: 'object', required: ['at', 'x'], properties: { at: { type: 'string', readOnly: true }, x: { type: 'string' } } },
      },
    }),
    '/n',
    'post',
    { schemas: { Id: { type: 'string', readOnly: true } } },
  );
  expect(tool.inputSchema).toMatchObject({
    properties: { inner: { type: 'object', required: ['x'], properties: { x: { type: 'string' } } } },
    required: ['inner'],
  });
  expect(Object.keys(tool.inputSchema['properties'] as object)).toEqual(['inner']);
});

it('of allOf are laid flat; what relates properties, lists and free maps stay one argument', () => {
  const flat = toolOf(jsonBody({ allOf: [{ type: 'object', required: ['a'], properties: { a: {} } }, { properties: { b: {} } }] }));
  expect(Object.keys(flat.inputSchema['properties'] as object)).toEqual(['a', 'b']);
  expect(flat.inputSchema['required']).toEqual(['a']);
  for (const schema of [
    {
      oneOf: [
        { type: 'object', properties: { a: {} } },
        { type: 'object', properties: { b: {} } },
      ],
    },
    { type: 'array', items: { type: 'string' } },
    { type: 'object', additionalProperties: { type: 'integer' } },
    { type: 'string' },
  ]) {
    const tool = toolOf(jsonBody(schema));
    expect(Object.keys(tool.inputSchema['properties'] as object)).toEqual(['body']);
    expect(tool.inputSchema['required']).toEqual(['body']);
  }
  expect(requestOf(toolOf(jsonBody({ type: 'array' })), { body: [1] }).body).toBe('[1]');
});

it('that cannot be used cost their own tool alone', () => {
  const doubling = Object.fromEntries(
    Array.from({ length: 30 }, (_, n) => [
      `L${n}`,
      { type: 'object', properties: { a: { $ref: `#/components/schemas/L${n + 1}` }, b: { $ref: `#/components/schemas/L${n + 1}` } } },
    ]),
  );
  const { tools, skipped } = toolsOf(
    {
      '/bomb': { post: jsonBody({ $ref: '#/components/schemas/L0' }) },
      '/dangling': { post: jsonBody({ $ref: '#/components/schemas/None' }) },
      '/outside': { post: jsonBody({ $ref: 'https://evil.example/schema.json' }) },
      '/odd': { post: jsonBody({ $ref: '#/components/%zz' }) },
      '/file': { post: { requestBody: { required: true, content: { 'multipart/form-data': {} } } } },
      '/self': { post: { operationId: 'self', ...jsonBody({ $ref: '#/components/schemas/Self' }) } },
      '/fine': { get: { operationId: 'fine' } },
    },
    { schemas: { ...doubling, L30: {}, Self: { allOf: [{ $ref: '#/components/schemas/Self' }] } } },
  );
  expect(tools.map((tool) => tool.name)).toEqual(['self', 'fine']);
  expect(skipped.map(({ operation }) => operation)).toEqual(['POST /bomb', 'POST /dangling', 'POST /outside', 'POST /odd', 'POST /file']);
});
