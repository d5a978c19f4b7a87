import { describe, expect, it } from 'vitest';
import type { Entity } from '../../../../templates/api-kit/entity.ts';
import { itemOperations } from '../../../../templates/api-kit/item-operations.ts';
import type { Change, Decide, Item, ItemStore, Write } from '../../../../templates/api-kit/item-store.ts';
import type { Payload } from '../../../../templates/api-kit/payload.ts';
import { schemasOf } from '../../../../templates/api-kit/schemas.ts';
import { payloadCheck } from '../../../../templates/api-kit/validation.ts';
import { chatMessage, note, task } from '../../../../templates/toolbridge/entities.ts';

const now = new Date('2026-01-02T00:00:00Z');
const uid = '01930f6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f';
const other = '01930f6e-3b2a-7c1d-9e4f-5a6b7c8d9e10';

/** Decisions of the operations of an entity about one item, without the database that would carry them out. */
function world(entity: Entity, stored: Payload = {}, more: Partial<Item> = {}) {
  const item: Item = { uid, version: 3, createdAt: '', updatedAt: '', createdBy: '', updatedBy: '', payload: stored, ...more };
  const seen: { listed?: object; got?: unknown[]; created?: Payload; change?: Change | undefined; write?: Write; asked: string[] } = {
    asked: [],
  };
  const store = {
    list: async (page: object) => {
      seen.listed = page;
      return { items: [] };
    },
    get: async (...got: unknown[]) => {
      seen.got = got;
      return item;
    },
    create: async (payload: Payload, write: Write) => {
      Object.assign(seen, { created: payload, write });
      return item;
    },
    change: async (changed: string, write: Write, decide: Decide) => {
      expect(changed).toBe(uid);
      Object.assign(seen, { write, change: await decide(item, { now, db: undefined as never }) });
      return item;
    },
  } as unknown as ItemStore;
  const schemas = schemasOf(entity);
  const exists = async (name: string, id: string) => {
    seen.asked.push(`${name} ${id}`);
    return id === other;
  };
  const operations = itemOperations({
    entity,
    schemas,
    store,
    exists,
    check: payloadCheck(schemas.payload),
    defaultPageSize: 100,
    clock: () => now,
  });
  const run = (id: string, request: { body?: unknown; query?: object; headers?: object } = {}) => {
    const operation = operations.find(({ operationId }) => operationId === id) ?? expect.unreachable(id);
    return operation.handle({
      path: { uid },
      query: { ...request.query },
      headers: { ...request.headers },
      body: request.body,
      caller: { subject: 'user_1', scopes: [] },
    });
  };
  return { run, seen, item };
}

describe('reading', () => {
  it('lists a page with its defaults', async () => {
    const { run, seen } = world(task);
    await run('list_tasks');
    expect(seen.listed).toEqual({ limit: 100, cursor: undefined, includeDeleted: false });
    await run('list_tasks', { query: { limit: 7, cursor: 'c', includeDeleted: true } });
    expect(seen.listed).toEqual({ limit: 7, cursor: 'c', includeDeleted: true });
  });

  it('gives an item with its version as tag', async () => {
    const { run, seen, item } = world(task);
    expect(await run('get_task')).toEqual({ body: item, headers: { etag: '"3"' } });
    expect(seen.got).toEqual([uid, false]);
    await run('get_task', { query: { includeDeleted: true } });
    expect(seen.got).toEqual([uid, true]);
  });
});

describe('writing', () => {
  it('creates an item, with the defaults of its schema and its place', async () => {
    const { run, seen } = world(task);
    expect(await run('create_task', { body: { title: 'a' } })).toMatchObject({ headers: { etag: '"3"', location: `tasks/${uid}` } });
    expect(seen).toMatchObject({ created: { title: 'a', status: 'todo' }, write: { subject: 'user_1', now, expectedVersion: undefined } });
  });

  it('keeps the fields that only actions set', async () => {
    const fresh = world(chatMessage);
    await fresh.run('create_chat_message', { body: { chatUid: other, content: 'a', readAt: '2026-01-01T00:00:00Z' } });
    const managed = schemasOf(chatMessage).managed;
    for (const field of managed) expect(fresh.seen.created).not.toHaveProperty(field);
    const pinned = world(note, { title: 'a', pinned: true });
    await pinned.run('update_note', { body: { title: 'b', pinned: false } });
    expect(pinned.seen.change?.payload).toMatchObject({ title: 'b', pinned: schemasOf(note).managed.includes('pinned') });
  });

  it('replaces and patches a payload', async () => {
    const { run, seen } = world(task, { title: 'a', status: 'done', description: 'd' });
    await run('update_task', { body: { title: 'b' } });
    expect(seen.change?.payload).toMatchObject({ title: 'b' });
    expect(seen.change?.payload).not.toHaveProperty('description');
    await run('patch_task', { body: { title: 'c', description: null } });
    expect(seen.change?.payload).toMatchObject({ title: 'c', status: 'done' });
    expect(seen.change?.payload).not.toHaveProperty('description');
    await run('patch_task', { body: {} });
    expect(seen.change).toBeUndefined();
  });

  it('deletes, and archives once', async () => {
    const { run, seen } = world(task);
    await run('delete_task');
    expect(seen.change).toEqual({ deletedAt: now });
    await run('archive_task');
    expect(seen.change).toEqual({ archivedAt: now });
    const archived = world(task, {}, { archivedAt: '2026-01-01T00:00:00.000Z' });
    await archived.run('archive_task');
    expect(archived.seen.change).toEqual({ archivedAt: new Date('2026-01-01T00:00:00Z') });
  });

  it.each<[object, Change]>([
    [{ action: 'pin' }, { payload: { title: 'a', pinned: true } }],
    [{ action: 'archive' }, { archivedAt: now }],
    [{ action: 'unarchive' }, { archivedAt: null }],
  ])('processes %j', async (body, change) => {
    const { run, seen } = world(note, { title: 'a' });
    await run('process_note', { body });
    expect(seen.change).toEqual(change);
  });
});

describe('a version in If-Match', () => {
  it.each([
    ['"3"', 3],
    ['3', 3],
    ['*', undefined],
    [undefined, undefined],
  ])('%s expects %s', async (header, version) => {
    const { run, seen } = world(task);
    await run('delete_task', { headers: header === undefined ? {} : { 'if-match': header } });
    expect(seen.write?.expectedVersion).toBe(version);
  });

  it.each(['0', '"x"', 'W/"3"', '3"', '"3', '12345678901', ['"3"']])('%j is malformed', async (header) => {
    await expect(world(task).run('delete_task', { headers: { 'if-match': header } })).rejects.toMatchObject({
      status: 400,
      errors: [{ parameter: 'If-Match' }],
    });
  });
});

describe('a write is refused', () => {
  it.each<[string, string, unknown, string, string]>([
    ['of a wrong field', 'create_task', { title: 'a', priority: 'now' }, '/priority', 'must be one of'],
    ['of a field of the server', 'create_task', { title: 'a', version: 3 }, '/version', 'goes into ifMatch'],
    ['of a payload in a payload', 'update_task', { payload: {} }, '/payload', 'without payload around them'],
    ['of another field of the server', 'patch_task', { uid: 'x' }, '/uid', 'is set by the server'],
    ['of a text with a NUL', 'create_task', { title: 'a\0' }, '/title', ''],
    ['of a missing parent', 'create_task', { title: 'a', parentUid: uid }, '/parentUid', 'refers to no existing task'],
    ['of no body', 'create_task', undefined, '/title', 'is required'],
    ['of an unknown action', 'process_task', { action: 'fly' }, '/action', 'must be one of start, complete, reopen'],
    ['of an inherited action', 'process_task', { action: 'toString' }, '/action', 'must be one of'],
    ['of no action', 'process_task', undefined, '/action', 'must be one of'],
    ['of more than an action', 'process_task', { action: 'start', 'a/b': 1 }, '/a~1b', 'is not known here'],
  ])('%s', async (_name, operation, body, pointer, detail) => {
    await expect(world(task, { title: 'a' }).run(operation, { body })).rejects.toMatchObject({
      errors: [{ pointer, detail: expect.stringContaining(detail) }],
    });
  });

  it('that makes an item its own parent', async () => {
    await expect(world(task, { title: 'a' }).run('patch_task', { body: { parentUid: uid } })).rejects.toThrow('refers to the item itself');
  });
});

describe('a reference', () => {
  it('is checked when it is new, and handed on as the parent', async () => {
    const { run, seen } = world(task, { title: 'a' });
    await run('patch_task', { body: { parentUid: other } });
    expect(seen.asked).toEqual([`task ${other}`]);
    expect(seen.change?.parent).toEqual({ entity: 'task', uid: other, pointer: '/parentUid' });
  });

  it('is not checked when it stays', async () => {
    const { run, seen } = world(task, { title: 'a', parentUid: uid });
    await run('patch_task', { body: { title: 'b' } });
    expect(seen.asked).toEqual([]);
    expect(seen.change).not.toHaveProperty('parent');
  });

  it('to another entity is no parent', async () => {
    const { run, seen } = world(chatMessage, { chatUid: uid, content: 'a' });
    await run('patch_chat_message', { body: { chatUid: other } });
    expect(seen.asked).toEqual([`chat ${other}`]);
    expect(seen.change).not.toHaveProperty('parent');
  });
});
