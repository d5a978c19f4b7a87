import { describe, expect, it } from 'vitest';
import { ClosedOperations } from '../../../../../templates/sidecar/tools/disabled-operations.ts';

describe('closed operations', () => {
  const operation = (method: string, path: string, tag = 'open') => ({ method, path, tags: [tag] });
  const closed = new ClosedOperations(
    [
      operation('GET', '/v2/files/{id}', 'files'),
      operation('DELETE', '/v2/files/{id}', 'files'),
      operation('GET', '/v2/files/recent'),
      operation('GET', '/v2/orders/{id}'),
      operation('PUT', '/v2/orders/{id}', 'files'),
      operation('POST', '/v2/orders/{id}/files', 'files'),
      operation('GET', '/v2/{kind}/{id}.csv', 'files'),
      operation('GET', '/v2/Reports/', 'files'),
    ],
    ({ tags }) => tags.includes('files'),
  );

  it.each<[string, string, boolean]>([
    ['GET', '/v2/files/7', true],
    ['HEAD', '/v2/files/7', true],
    ['DELETE', '/v2/files/7', true],
    ['PATCH', '/v2/files/7', true],
    ['OPTIONS', '/v2/files/7', true],
    ['GET', '/v2/files/7/', true],
    ['GET', '/V2/Files/7', true],
    ['GET', '/v2/%66iles/7', true],
    ['GET', '/v2/files;a=1/7;b', true],
    ['GET', '/v2/files/recent', false],
    ['DELETE', '/v2/files/recent', true],
    ['GET', '/v2/files', false],
    ['GET', '/v2/files/7/parts', false],
    ['GET', '/v2/orders/7', false],
    ['HEAD', '/v2/orders/7', false],
    ['PUT', '/v2/orders/7', true],
    ['POST', '/v2/orders/7/files', true],
    ['GET', '/v2/anything/sheet.csv', true],
    ['GET', '/v2/anything/sheet.txt', false],
    ['GET', '/v2/reports', true],
    ['GET', '/v3/files/7', false],
  ])('%s %s: %s', (method, path, expected) => {
    expect(closed.closes(method, path)).toBe(expected);
  });
});
