import { describe, expect, it } from 'vitest';
import { upstreamPath } from '../../../../templates/sidecar/public-api.ts';

describe('paths of the public API', () => {
  it.each([
    ['/t/a/api/v1/notes', '/v1/notes'],
    ['/t/a/api/v1/notes/', '/v1/notes/'],
    ['/t/a/api/metrics-of-sales', '/metrics-of-sales'],
    ['/t/a/api/v1/metrics', '/v1/metrics'],
    ['/t/a/api/a%20b', '/a%20b'],
    ['/t/a/api/metrics', undefined],
    ['/t/a/api/Healthz/x', undefined],
    ['/t/a/api/%72eadyz', undefined],
    ['/t/a/api/metrics%3fx', undefined],
    ['/t/a/api/..', undefined],
    ['/t/a/api/a/%2e./b', undefined],
    ['/t/a/api/a%2Fb', undefined],
    ['/t/a/api//a', undefined],
    ['/t/a/api/a\\b', undefined],
    ['/t/a/apix/a', undefined],
  ])('%s leads to %s', (path, expected) => {
    expect(upstreamPath(path, '/t/a/api')).toBe(expected);
  });
});
