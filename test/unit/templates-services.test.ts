import { describe, expect, it } from 'vitest';
import { ClosedOperations } from '../../templates/runtime/mcp/closed-operations.ts';
import { readToolSelection } from '../../templates/runtime/mcp/tool-selection.ts';

const selection = (services: object | undefined, tags?: object, tools?: object) =>
  readToolSelection({
    ...(services && { TENANTRY_SERVICES: JSON.stringify(services) }),
    ...(tags && { TENANTRY_SERVICE_TAGS: JSON.stringify(tags) }),
    ...(tools && { TENANTRY_TOOLS: JSON.stringify(tools) }),
  });

describe('the selection of tools', () => {
  const tool = (name: string, ...tags: string[]) => ({ name, tags });

  it('offers everything where nothing is said', () => {
    expect(selection(undefined).reasonAgainst(tool('create_note', 'notes'))).toBeUndefined();
    expect(selection({ notes: true }).reasonAgainst(tool('create_note', 'notes'))).toBeUndefined();
    expect(selection({ notes: true }).closesAnything).toBe(false);
  });

  it('leaves out what bears a tag of a switch that is off, which is its name or what the template lists', () => {
    const off = selection({ notes: false, files: false, chats: true }, { files: ['Uploads', 'Downloads'], chats: ['chat'] });
    expect(off.closesAnything).toBe(true);
    expect(off.reasonAgainst(tool('create_note', 'notes'))).toBe(
      'The tool "create_note" belongs to the service "notes", which is switched off for this tenant.',
    );
    expect(off.reasonAgainst(tool('upload', 'misc', 'Uploads'))).toContain('"files"');
    for (const tags of [['files'], ['chat'], ['chats'], []])
      expect(off.reasonAgainst(tool('other', ...tags)), String(tags)).toBeUndefined();
  });

  it.each<[object, string, boolean]>([
    [{ allow: ['list_*', 'get_note'] }, 'list_notes', true],
    [{ allow: ['list_*', 'get_note'] }, 'get_note', true],
    [{ allow: ['list_*', 'get_note'] }, 'get_notes', false],
    [{ allow: ['list_*'] }, 'relist_notes', false],
    [{ allow: ['*_note*'] }, 'get_note', true],
    [{ deny: ['delete_*'] }, 'delete_note', false],
    [{ deny: ['delete_*'] }, 'create_note', true],
    [{ allow: ['*'], deny: ['delete_note'] }, 'delete_note', false],
    [{ allow: [] }, 'get_note', false],
    [{ allow: ['get.note'] }, 'get_note', false],
    [{ allow: ['a**b'] }, 'a.x-b', true],
  ])('by the names %j decides about %s', (tools, name, offered) => {
    expect(selection(undefined, undefined, tools).reasonAgainst(tool(name)) === undefined).toBe(offered);
  });

  it('is not started with settings that it does not understand', () => {
    for (const environment of [
      { TENANTRY_SERVICES: '{' },
      { TENANTRY_SERVICES: '[]' },
      { TENANTRY_SERVICES: '{"notes": "off"}' },
      { TENANTRY_SERVICES: '{"notes": false}', TENANTRY_SERVICE_TAGS: '{"notes": "note"}' },
      { TENANTRY_TOOLS: '{"allow": "x"}' },
      { TENANTRY_TOOLS: '{"denied": []}' },
    ]) {
      expect(() => readToolSelection(environment)).toThrow(/^TENANTRY_(SERVICES|SERVICE_TAGS|TOOLS)/);
    }
  });
});

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
