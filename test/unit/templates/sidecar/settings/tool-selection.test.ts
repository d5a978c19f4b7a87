import { describe, expect, it } from 'vitest';
import { readToolSelection } from '../../../../../templates/sidecar/settings/tool-selection.ts';

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

it('names the entries of spec.tools that match no tool', () => {
  const selection = readToolSelection({ TENANTRY_TOOLS: '{"allow":["find_*","fnid_one"],"deny":["*_all","find_one"]}' });
  expect(selection.unmatched(['find_one', 'find_two'])).toEqual(['allow: fnid_one', 'deny: *_all']);
  expect(readToolSelection({}).unmatched([])).toEqual([]);
});
