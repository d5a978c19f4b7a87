import { describe, expect, it } from 'vitest';
import { toolsOf } from './operations.ts';

const paths = { '/things': { get: {} } };

describe('a document', () => {
  it.each<[object, string, string | undefined]>([
    [{}, '1', undefined],
    [{ info: undefined }, '0', undefined],
    [{ info: { version: 7, description: 7 } }, '0', undefined],
    [{ info: { version: '2', description: 'Does things.' } }, '2', 'Does things.'],
  ])('with %j has the version %s and the instructions %s', (more, version, instructions) => {
    expect(toolsOf(paths, {}, more)).toMatchObject({ version, instructions });
  });

  it.each<[unknown, string]>([
    [undefined, '/things'],
    [[], '/things'],
    [['/v1'], '/things'],
    [[{ url: 7 }], '/things'],
    [[{ url: '/v1/' }, { url: '/v2' }], '/v1/things'],
    [[{ url: 'https://api.example/v1' }], '/v1/things'],
    [[{ url: '.' }], '/things'],
    [[{ url: 'http://[' }], '/things'],
    [[{ url: '/{stage}', variables: { stage: { default: 'live' } } }], '/live/things'],
    [[{ url: '/a{stage}', variables: { other: {} } }], '/a/things'],
    [[{ url: '/a{stage}', variables: 'none' }], '/a/things'],
  ])('with the servers %j has the path %s', (servers, path) => {
    expect(toolsOf(paths, {}, { servers }).tools[0]?.path).toBe(path);
  });

  it('leaves out a path that leads nowhere, and extensions without a word', () => {
    const { tools, skipped, operations } = toolsOf({
      '/a': 'none',
      '/b': { $ref: '#/nowhere' },
      'x-extension': 7,
      '/c': { get: 'none', put: {} },
    });
    expect(skipped.map(({ operation }) => operation)).toEqual(['/a', '/b']);
    expect(tools.map(({ method, path }) => `${method} ${path}`)).toEqual(['PUT /c']);
    expect(operations).toEqual([{ method: 'PUT', path: '/c', tags: [] }]);
  });

  it('gives every tool a name of its own', () => {
    const { tools } = toolsOf({
      '/a/{id}': { get: {}, put: { operationId: '' }, post: { operationId: 'same name!' } },
      '/b': { get: { operationId: 'same/name?' }, put: { operationId: 'same_name_' }, post: { operationId: 7 } },
    });
    expect(tools.map(({ name }) => name).toSorted()).toEqual([
      'get_a_id',
      'post_b',
      'put_a_id',
      'same_name_',
      'same_name__2',
      'same_name__3',
    ]);
  });
});
