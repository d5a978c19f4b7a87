import { describe, expect, it } from 'vitest';
import { requestOf, UnusableArgument } from '../../../../../templates/sidecar/tools/tool-request.ts';
import { jsonBody, toolOf } from './operations.ts';

describe('requests', () => {
  const query = (parameter: object, value: unknown) =>
    requestOf(toolOf({ parameters: [{ name: 'p', in: 'query', ...parameter }] }, '/q', 'get'), { p: value }).path;

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
    const tool = toolOf({}, '/a/{id}/b', 'get');
    expect(requestOf(tool, { id: '../x?y#z' }).path).toBe('/a/..%2Fx%3Fy%23z/b');
    expect(requestOf(tool, { id: '$&' }).path).toBe('/a/%24%26/b');
    for (const id of ['', '.', '..']) expect(() => requestOf(tool, { id })).toThrow(UnusableArgument);
  });

  it('carry no header that is not the caller’s to set', () => {
    const header = (name: string) => ({ name, in: 'header', schema: { type: 'string' } });
    const tool = toolOf(
      { parameters: ['Authorization', 'Host', 'X-Request-Id', 'X-Api-Key', 'X-Static', 'Accept', 'X-Mine'].map(header) },
      '/h',
      'get',
    );
    expect(Object.keys(tool.inputSchema['properties'] as object)).toEqual(['xMine']);
    expect(() => requestOf(tool, { xMine: 'a\r\nHost: evil' })).toThrow(UnusableArgument);
  });

  it('are forms and text where the API wants them', () => {
    const body = (type: string, schema: object) => toolOf({ requestBody: { required: true, content: { [type]: { schema } } } });
    const form = body('application/x-www-form-urlencoded', { type: 'object', properties: { a: {}, b: {} } });
    expect(requestOf(form, { a: 'x y', b: [1, 2] })).toMatchObject({
      body: 'a=x%20y&b=1&b=2',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(requestOf(body('text/plain', {}), { body: 'hi' })).toMatchObject({ body: 'hi', headers: { 'content-type': 'text/plain' } });
  });

  it('have no body when an optional one is not given', () => {
    const tool = toolOf(jsonBody({ type: 'object', required: ['a'], properties: { a: { type: 'string' } } }, false));
    expect(tool.inputSchema['required']).toBeUndefined();
    expect(requestOf(tool, {}).body).toBeUndefined();
    expect(requestOf(tool, { a: 'x', more: 1 }).body).toBe('{"a":"x","more":1}');
  });
});
