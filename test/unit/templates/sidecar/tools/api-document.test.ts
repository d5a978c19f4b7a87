import { expect, it } from 'vitest';
import { apiTools, UnusableDocument } from '../../../../../templates/sidecar/tools/api-document.ts';
import { documentOptions, toolsOf } from './operations.ts';

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

it('of anything but OpenAPI 3 are refused as a document', () => {
  for (const document of [null, [], {}, { swagger: '2.0' }, { openapi: '4.0.0', paths: {} }, { openapi: '3.1.0' }]) {
    expect(() => apiTools(document, documentOptions)).toThrow(UnusableDocument);
  }
});

it('start at the path of the first server, whatever its host', () => {
  const path = (servers: unknown) => toolsOf({ '/x': { get: {} } }, {}, { servers }).tools[0]?.path;
  expect(path(undefined)).toBe('/x');
  expect(path([{ url: '.' }])).toBe('/x');
  expect(path([{ url: '/' }])).toBe('/x');
  expect(path([{ url: 'https://other.example/v1/' }])).toBe('/v1/x');
  expect(path([{ url: 'https://{host}/{base}', variables: { host: { default: 'h' }, base: { default: 'v2' } } }])).toBe('/v2/x');
});

it('counts a path that leads nowhere as left out, and an extension not', () => {
  const { skipped } = apiTools({ openapi: '3.1.0', paths: { '/a': { $ref: '#/gone' }, 'x-note': 'text' } }, documentOptions);
  expect(skipped.map(({ operation }) => operation)).toEqual(['/a']);
});
