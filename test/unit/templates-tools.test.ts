import { describe, expect, it } from 'vitest';
import { apiTools, UnusableDocument } from '../../templates/runtime/mcp/api-document.ts';
import { concise } from '../../templates/runtime/mcp/concise-schema.ts';
import type { Tool } from '../../templates/runtime/mcp/tool.ts';
import { ArgumentChecker } from '../../templates/runtime/mcp/tool-arguments.ts';
import { requestOf, UnusableArgument } from '../../templates/runtime/mcp/tool-request.ts';

const options = { url: new URL('http://127.0.0.1:8081/openapi.json'), reservedHeaders: ['x-static'] };

function toolsOf(paths: object, components: object = {}, more: object = {}) {
  return apiTools({ openapi: '3.1.0', info: { title: 't', version: '1' }, paths, components, ...more }, options);
}

function only(operation: object, path = '/things', method = 'post', components: object = {}): Tool {
  const { tools, skipped } = toolsOf({ [path]: { [method]: operation } }, components);
  const [tool] = tools;
  if (tool === undefined) throw new Error(JSON.stringify(skipped));
  return tool;
}

const json = (schema: object, required = true) => ({ requestBody: { required, content: { 'application/json': { schema } } } });

describe('names', () => {
  it('come from the operation id, or method and path, are short and never the same', () => {
    const get = (operationId?: string) => ({ get: { ...(operationId !== undefined && { operationId }) } });
    const { tools } = toolsOf({
      '/a': get('same'),
      '/b': get('same'),
      '/c/{id}/d': get(),
      '/e': get('with spaces & more'),
      '/f': get('x'.repeat(80)),
      '/g': get('x'.repeat(90)),
    });
    const names = tools.map((tool) => tool.name);
    expect(names.slice(0, 4)).toEqual(['same', 'same_2', 'get_c_id_d', 'with_spaces_more']);
    expect(names[4]).toBe('x'.repeat(64));
    expect(names[5]).toBe(`${'x'.repeat(62)}_2`);
  });

  it('of arguments that clash name their place', () => {
    const tool = only(
      {
        parameters: [
          { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
          { name: 'id', in: 'query', schema: { type: 'string' } },
          { name: 'Id', in: 'header', schema: { type: 'string' } },
        ],
        ...json({ type: 'object', properties: { id: { type: 'integer' }, query_id: { type: 'string' } } }),
      },
      '/things/{id}',
    );
    expect(Object.keys(tool.inputSchema['properties'] as object)).toEqual(['id', 'query_id', 'header_id', 'body_id', 'body_query_id']);
    const request = requestOf(tool, { id: 'p', query_id: 'q', header_id: 'h', body_id: 1, body_query_id: 'b' });
    expect(request).toMatchObject({ path: '/things/p?id=q', headers: { id: 'h' }, body: '{"id":1,"query_id":"b"}' });
  });
});

describe('schemas', () => {
  it('are inlined, and recursive ones become definitions', () => {
    const tool = only(json({ $ref: '#/components/schemas/Node' }), '/n', 'post', {
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
    const tool = only(
      json({
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
    const tool = only(
      json({
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
    const flat = only(json({ allOf: [{ type: 'object', required: ['a'], properties: { a: {} } }, { properties: { b: {} } }] }));
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
      const tool = only(json(schema));
      expect(Object.keys(tool.inputSchema['properties'] as object)).toEqual(['body']);
      expect(tool.inputSchema['required']).toEqual(['body']);
    }
    expect(requestOf(only(json({ type: 'array' })), { body: [1] }).body).toBe('[1]');
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
        '/bomb': { post: json({ $ref: '#/components/schemas/L0' }) },
        '/dangling': { post: json({ $ref: '#/components/schemas/None' }) },
        '/outside': { post: json({ $ref: 'https://evil.example/schema.json' }) },
        '/odd': { post: json({ $ref: '#/components/%zz' }) },
        '/file': { post: { requestBody: { required: true, content: { 'multipart/form-data': {} } } } },
        '/self': { post: { operationId: 'self', ...json({ $ref: '#/components/schemas/Self' }) } },
        '/fine': { get: { operationId: 'fine' } },
      },
      { schemas: { ...doubling, L30: {}, Self: { allOf: [{ $ref: '#/components/schemas/Self' }] } } },
    );
    expect(tools.map((tool) => tool.name)).toEqual(['self', 'fine']);
    expect(skipped.map(({ operation }) => operation)).toEqual(['POST /bomb', 'POST /dangling', 'POST /outside', 'POST /odd', 'POST /file']);
  });

  it('of anything but OpenAPI 3 are refused as a document', () => {
    for (const document of [null, [], {}, { swagger: '2.0' }, { openapi: '4.0.0', paths: {} }, { openapi: '3.1.0' }]) {
      expect(() => apiTools(document, options)).toThrow(UnusableDocument);
    }
  });

  it('are shown without what helps nobody choose a value', () => {
    expect(
      concise({
        type: 'object',
        properties: {
          title: { type: 'string', minLength: 1, maxLength: 9, title: 'Title', examples: ['x'] },
          uid: { type: 'string', format: 'uuid' },
          when: { type: 'string', format: 'date-time' },
          code: { type: 'string', pattern: '^x$' },
          due: { type: 'string', pattern: '^y$', description: 'a day' },
          kind: { type: 'string', enum: ['a', 'b'] },
          limit: { type: 'integer', maximum: 10, default: 5 },
        },
        additionalProperties: false,
      }),
    ).toEqual({
      type: 'object',
      properties: {
        title: { type: 'string' },
        uid: { type: 'string' },
        when: { type: 'string', format: 'date-time' },
        code: { type: 'string', pattern: '^x$' },
        due: { type: 'string', description: 'a day' },
        kind: { enum: ['a', 'b'] },
        limit: { type: 'integer', maximum: 10, default: 5 },
      },
    });
  });
});

describe('faults', () => {
  it('quote a short pattern, and say a long one in the words of its description', () => {
    const described = { type: 'string', description: 'a code such as x' };
    const tool = only(
      json({
        type: 'object',
        properties: { short: { ...described, pattern: '^x$' }, long: { ...described, pattern: `^${'x'.repeat(80)}$` } },
      }),
    );
    expect(new ArgumentChecker().check(tool, { short: 'y', long: 'y' })).toEqual([
      'short must match pattern "^x$" (a code such as x)',
      'long must be as described: a code such as x',
    ]);
  });
});

describe('requests', () => {
  const query = (parameter: object, value: unknown) =>
    requestOf(only({ parameters: [{ name: 'p', in: 'query', ...parameter }] }, '/q', 'get'), { p: value }).path;

  it.each([
    [{}, 'a b&c', '/q?p=a%20b%26c'],
    [{}, ['a', 'b'], '/q?p=a&p=b'],
    [{ explode: false }, ['a', 'b,c'], '/q?p=a,b%2Cc'],
    [{ style: 'pipeDelimited' }, ['a', 'b'], '/q?p=a%7Cb'],
    [{ style: 'spaceDelimited' }, ['a', 'b'], '/q?p=a%20b'],
    [{ style: 'deepObject' }, { x: 1, y: 'z' }, '/q?p%5Bx%5D=1&p%5By%5D=z'],
    [{}, { x: 1, y: 2 }, '/q?x=1&y=2'],
    [{ content: { 'application/json': { schema: {} } } }, { x: 1 }, '/q?p=%7B%22x%22%3A1%7D'],
    [{}, false, '/q?p=false'],
  ])('write the query parameter %j with %j', (parameter, value, expected) => {
    expect(query(parameter, value)).toBe(expected);
  });

  it('keep path parameters within their segment', () => {
    const tool = only({}, '/a/{id}/b', 'get');
    expect(requestOf(tool, { id: '../x?y#z' }).path).toBe('/a/..%2Fx%3Fy%23z/b');
    expect(requestOf(tool, { id: '$&' }).path).toBe('/a/%24%26/b');
    for (const id of ['', '.', '..']) expect(() => requestOf(tool, { id })).toThrow(UnusableArgument);
  });

  it('carry no header that is not the caller’s to set', () => {
    const header = (name: string) => ({ name, in: 'header', schema: { type: 'string' } });
    const tool = only(
      { parameters: ['Authorization', 'Host', 'X-Request-Id', 'X-Api-Key', 'X-Static', 'Accept', 'X-Mine'].map(header) },
      '/h',
      'get',
    );
    expect(Object.keys(tool.inputSchema['properties'] as object)).toEqual(['xMine']);
    expect(() => requestOf(tool, { xMine: 'a\r\nHost: evil' })).toThrow(UnusableArgument);
  });

  it('are forms and text where the API wants them', () => {
    const body = (type: string, schema: object) => only({ requestBody: { required: true, content: { [type]: { schema } } } });
    const form = body('application/x-www-form-urlencoded', { type: 'object', properties: { a: {}, b: {} } });
    expect(requestOf(form, { a: 'x y', b: [1, 2] })).toMatchObject({
      body: 'a=x%20y&b=1&b=2',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(requestOf(body('text/plain', {}), { body: 'hi' })).toMatchObject({ body: 'hi', headers: { 'content-type': 'text/plain' } });
  });

  it('start at the path of the first server, whatever its host', () => {
    const path = (servers: unknown) => toolsOf({ '/x': { get: {} } }, {}, { servers }).tools[0]?.path;
    expect(path(undefined)).toBe('/x');
    expect(path([{ url: '.' }])).toBe('/x');
    expect(path([{ url: '/' }])).toBe('/x');
    expect(path([{ url: 'https://other.example/v1/' }])).toBe('/v1/x');
    expect(path([{ url: 'https://{host}/{base}', variables: { host: { default: 'h' }, base: { default: 'v2' } } }])).toBe('/v2/x');
  });

  it('have no body when an optional one is not given', () => {
    const tool = only(json({ type: 'object', required: ['a'], properties: { a: { type: 'string' } } }, false));
    expect(tool.inputSchema['required']).toBeUndefined();
    expect(requestOf(tool, {}).body).toBeUndefined();
    expect(requestOf(tool, { a: 'x', more: 1 }).body).toBe('{"a":"x","more":1}');
  });
});
