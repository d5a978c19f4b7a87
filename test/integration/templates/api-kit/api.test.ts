import { generateKeyPair, SignJWT } from 'jose';
import { sql } from 'kysely';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isUnavailable, openDatabase } from '../../../../templates/api-kit/database.ts';
import { AssertionSigner } from '../../../../templates/sidecar/auth/assertion-signer.ts';
import { eventually } from '../../../eventually.ts';
import { type Postgres, Program, Stack, startPostgres } from '../stack.ts';

interface Item {
  uid: string;
  version: number;
  updatedAt: string;
  deletedAt?: string;
  archivedAt?: string;
  createdBy: string;
  updatedBy: string;
  payload: Record<string, unknown>;
}
interface Problem {
  status: number;
  code: string;
  detail: string;
  errors?: { pointer?: string; parameter?: string; detail: string }[];
  currentVersion?: number;
  allowedActions?: string[];
  requestId: string;
}

let postgres: Postgres;
let stack: Stack;
let signer: AssertionSigner;

beforeAll(async () => {
  postgres = await startPostgres();
  stack = await Stack.prepare({ databaseUrl: await postgres.createDatabase('acme') });
  signer = await AssertionSigner.create(stack.tenantUid);
  await signer.publish(stack.file('assertion/jwks.json'));
  const migration = stack.run('toolbridge', 'migrate');
  expect(await migration.exited, migration.output).toBe(0);
  stack.startApi();
  await eventually(`API ready: ${stack.api?.output}`, async () => (await fetch(`${stack.apiOrigin}/readyz`)).ok);
});

afterAll(async () => {
  await stack?.stop();
  await postgres?.remove();
});

/** Calls the API with an assertion, as the sidecar does. */
async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, subject = 'user_ada') {
  const assertion = signer.sign({ subject, scopes: ['mcp'] }, 'test');
  const response = await fetch(`${stack.apiOrigin}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${assertion}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

async function create(entity: string, payload: object): Promise<Item> {
  const answer = await call('POST', `/v1/${entity}`, payload);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body;
}

async function problem(status: number, ...request: Parameters<typeof call>): Promise<Problem> {
  const answer = await call(...request);
  expect(answer.status, JSON.stringify(answer.body)).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(answer.body.requestId).toBe(answer.headers.get('x-request-id'));
  return answer.body;
}

describe('items', () => {
  it('keeps all fields of the payload, says where the item is and who made it', async () => {
    const answer = await call('POST', '/v1/notes', { title: 'Kick-off', colour: { deep: [1, null] } });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ version: 1, createdBy: 'user_ada', updatedBy: 'user_ada' });
    expect(answer.body.payload).toEqual({ title: 'Kick-off', colour: { deep: [1, null] } });
    expect(answer.headers.get('etag')).toBe('"1"');
    const location = new URL(answer.headers.get('location') ?? '', `${stack.apiOrigin}/v1/notes`);
    const again = await call('GET', location.pathname);
    expect(again.body).toEqual(answer.body);
  });

  it('replaces the payload on update and merges it on patch, where null removes', async () => {
    const note = await create('notes', { title: 'a', content: 'text', tags: ['x'], extra: 1 });
    const updated = await call('PUT', `/v1/notes/${note.uid}`, { title: 'b', other: true }, {}, 'user_grace');
    expect(updated.body).toMatchObject({ version: 2, createdBy: 'user_ada', updatedBy: 'user_grace' });
    expect(updated.body.payload).toEqual({ title: 'b', other: true });
    const patched = await call(
      'PATCH',
      `/v1/notes/${note.uid}`,
      { content: 'c', other: null },
      { 'content-type': 'application/merge-patch+json' },
    );
    expect(patched.body.payload).toEqual({ title: 'b', content: 'c' });
    expect(patched.body.version).toBe(3);
  });

  it('fills in a default on creation but not on patch', async () => {
    const task = await create('tasks', { title: 'a' });
    expect(task.payload).toEqual({ title: 'a', status: 'todo' });
    await call('PATCH', `/v1/tasks/${task.uid}`, { status: 'done' });
    const patched = await call('PATCH', `/v1/tasks/${task.uid}`, { priority: 'low' });
    expect(patched.body.payload).toEqual({ title: 'a', status: 'done', priority: 'low' });
  });

  it('answers 410 for a deleted item, except to who asks for deleted ones, and refuses every change of it', async () => {
    const note = await create('notes', { title: 'gone' });
    const path = `/v1/notes/${note.uid}`;
    const deleted = await call('DELETE', path);
    expect(deleted.status).toBe(200);
    expect(deleted.body.deletedAt).toBeDefined();
    expect((await problem(410, 'GET', path)).code).toBe('item-deleted');
    expect((await call('GET', `${path}?includeDeleted=true`)).body.deletedAt).toBe(deleted.body.deletedAt);
    await problem(410, 'DELETE', path);
    await problem(410, 'PUT', path, { title: 'b' });
    await problem(410, 'PATCH', path, { title: 'b' });
    await problem(410, 'POST', `${path}/archive`);
    await problem(410, 'POST', `${path}/process`, { action: 'pin' });
    expect((await call('GET', `${path}?includeDeleted=true`)).body.version).toBe(2);
  });

  it('archives once and keeps the time of it', async () => {
    const note = await create('notes', { title: 'old' });
    const first = await call('POST', `/v1/notes/${note.uid}/archive`);
    const second = await call('POST', `/v1/notes/${note.uid}/archive`);
    expect(first.body.archivedAt).toBeDefined();
    expect(second.body.archivedAt).toBe(first.body.archivedAt);
  });

  it('gives one write one time', async () => {
    const note = await create('notes', { title: 'now' });
    const path = `/v1/notes/${note.uid}`;
    const archived: Item = (await call('POST', `${path}/archive`)).body;
    expect(archived.archivedAt).toBe(archived.updatedAt);
    await call('POST', `${path}/process`, { action: 'unarchive' });
    const again: Item = (await call('POST', `${path}/process`, { action: 'archive' })).body;
    expect(again.archivedAt).toBe(again.updatedAt);
    const deleted: Item = (await call('DELETE', path)).body;
    expect(deleted.deletedAt).toBe(deleted.updatedAt);
  });

  it('writes nothing for a patch without fields, which still names the version and a live item', async () => {
    const note = await create('notes', { title: 'same' });
    const path = `/v1/notes/${note.uid}`;
    for (const body of [{}, { pinned: true }]) {
      const patched = await call('PATCH', path, body, {}, 'user_grace');
      expect(patched.status).toBe(200);
      expect(patched.body).toEqual(note);
      expect(patched.headers.get('etag')).toBe('"1"');
    }
    await problem(409, 'PATCH', path, {}, { 'if-match': '2' });
    await problem(404, 'PATCH', `/v1/notes/${crypto.randomUUID()}`, {});
    await call('DELETE', path);
    await problem(410, 'PATCH', path, {});
  });

  it('answers 404 for an unknown item, another kind of item and an unknown path', async () => {
    const note = await create('notes', { title: 'a' });
    await problem(404, 'GET', `/v1/notes/${crypto.randomUUID()}`);
    await problem(404, 'GET', `/v1/tasks/${note.uid}`);
    await problem(404, 'GET', '/v1/nothing');
  });
});

describe('process', () => {
  it.each([
    ['notes', { title: 'a' }, 'pin', { pinned: true }],
    ['notes', { title: 'a' }, 'unpin', { pinned: false }],
    ['tasks', { title: 'a' }, 'start', { status: 'in_progress' }],
    ['tasks', { title: 'a' }, 'complete', { status: 'done' }],
    ['tasks', { title: 'a', status: 'done' }, 'reopen', { status: 'todo' }],
    ['chats', { title: 'a' }, 'resolve', { resolved: true }],
    ['chats', { title: 'a' }, 'reopen', { resolved: false }],
  ])('does %s %j %s', async (entity, payload, action, expected) => {
    const item = await create(entity, payload);
    const answer = await call('POST', `/v1/${entity}/${item.uid}/process`, { action });
    expect(answer.body.payload).toMatchObject(expected);
    expect(answer.body.version).toBe(2);
  });

  it('archives and unarchives notes, resolves comments, and marks messages', async () => {
    const note = await create('notes', { title: 'a' });
    const act = async (path: string, action: string) => (await call('POST', `${path}/process`, { action })).body as Item;
    expect((await act(`/v1/notes/${note.uid}`, 'archive')).archivedAt).toBeDefined();
    expect((await act(`/v1/notes/${note.uid}`, 'unarchive')).archivedAt).toBeUndefined();
    const comment = await create('comments', { content: 'c', parentType: 'note', parentUid: note.uid });
    expect((await act(`/v1/comments/${comment.uid}`, 'resolve')).payload['resolved']).toBe(true);
    expect((await act(`/v1/comments/${comment.uid}`, 'reopen')).payload['resolved']).toBe(false);
    const chat = await create('chats', { title: 'c' });
    const message = await create('chat_messages', { chatUid: chat.uid, content: 'hi' });
    const delivered = await act(`/v1/chat_messages/${message.uid}`, 'mark_delivered');
    expect(delivered.payload['deliveredAt']).toBeDefined();
    expect(delivered.payload['readAt']).toBeUndefined();
    const read = await act(`/v1/chat_messages/${message.uid}`, 'mark_read');
    expect(read.payload['deliveredAt']).toBe(delivered.payload['deliveredAt']);
    expect(read.payload['readAt']).toBeDefined();
  });

  it('answers 400 for any other action and names the allowed ones', async () => {
    const note = await create('notes', { title: 'a' });
    for (const body of [{ action: 'explode' }, { action: 'constructor' }, { action: 1 }, {}, []]) {
      const answer = await problem(400, 'POST', `/v1/notes/${note.uid}/process`, body);
      expect(answer.allowedActions).toEqual(['pin', 'unpin', 'archive', 'unarchive']);
      expect(answer.errors?.[0]?.pointer).toBe('/action');
    }
  });

  it('alone sets the fields that actions set: requests neither forge nor lose them', async () => {
    const note = await create('notes', { title: 'a', pinned: true });
    expect(note.payload).toEqual({ title: 'a' });
    await call('POST', `/v1/notes/${note.uid}/process`, { action: 'pin' });
    expect((await call('PUT', `/v1/notes/${note.uid}`, { title: 'b' })).body.payload).toEqual({ title: 'b', pinned: true });
    expect((await call('PATCH', `/v1/notes/${note.uid}`, { pinned: null })).body.payload).toEqual({ title: 'b', pinned: true });
  });
});

describe('versions', () => {
  it('answers 409 with the current version when If-Match names another one', async () => {
    const note = await create('notes', { title: 'a' });
    const path = `/v1/notes/${note.uid}`;
    expect((await call('PUT', path, { title: 'b' }, { 'if-match': '"1"' })).body.version).toBe(2);
    for (const [method, suffix, body] of [
      ['PUT', '', { title: 'c' }],
      ['PATCH', '', { title: 'c' }],
      ['DELETE', '', undefined],
      ['POST', '/archive', undefined],
      ['POST', '/process', { action: 'pin' }],
    ] as const) {
      const answer = await problem(409, method, path + suffix, body, { 'if-match': '"1"' });
      expect(answer.currentVersion).toBe(2);
      expect(answer.detail).toContain('version 2');
    }
    expect((await call('PATCH', path, { title: 'd' }, { 'if-match': '2' })).status).toBe(200);
    expect((await call('PATCH', path, { title: 'e' }, { 'if-match': '*' })).status).toBe(200);
    for (const bad of ['x', '"0"', '-1', '"1', '"1", "2"']) {
      expect((await problem(400, 'PATCH', path, { title: 'c' }, { 'if-match': bad })).errors?.[0]?.parameter).toBe('If-Match');
    }
  });

  it('loses no update of many at once', async () => {
    const note = await create('notes', { title: 'counter' });
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => call('PATCH', `/v1/notes/${note.uid}`, { [`field${n}`]: n })));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map((answer) => answer.body.version)).size).toBe(40);
    const { body } = await call('GET', `/v1/notes/${note.uid}`);
    expect(body.version).toBe(41);
    expect(Object.keys(body.payload)).toHaveLength(41);
  });

  it('lets exactly one of many with the same If-Match through', async () => {
    const note = await create('notes', { title: 'race' });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => call('PUT', `/v1/notes/${note.uid}`, { title: `t${n}` }, { 'if-match': '"1"' })),
    );
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    expect(answers.filter((answer) => answer.status === 409)).toHaveLength(19);
  });
});

describe('lists', () => {
  const walk = async (path: string, between?: (page: number, items: Item[]) => Promise<unknown>) => {
    const seen: Item[] = [];
    let cursor: string | undefined;
    for (let page = 0; ; page++) {
      const { body, status } = await call('GET', `${path}${cursor === undefined ? '' : `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      seen.push(...body.items);
      cursor = body.nextCursor;
      if (cursor === undefined) return seen;
      await between?.(page, body.items);
    }
  };

  it('neither skips nor repeats items while others are inserted, changed and deleted between pages', async () => {
    const made: Item[] = [];
    for (let n = 0; n < 25; n++) made.push(await create('chats', { title: `page ${n}` }));
    const before = new Set((await walk('/v1/chats?limit=1000')).map((item) => item.uid));
    let last: Item | undefined;
    const inserted: Item[] = [];
    const removed: string[] = [];
    const seen = await walk('/v1/chats?limit=4', async (page, items) => {
      inserted.push(await create('chats', { title: `inserted ${page}` }));
      const shown = items[0];
      if (shown) await call('PATCH', `/v1/chats/${shown.uid}`, { title: 'changed' });
      // The very item the cursor stands on goes.
      last = items.at(-1);
      if (last) await call('DELETE', `/v1/chats/${last.uid}`);
      const ahead = made.find((item) => !removed.includes(item.uid) && item.uid > (last?.uid ?? ''));
      if (ahead && page === 1) {
        removed.push(ahead.uid);
        await call('DELETE', `/v1/chats/${ahead.uid}`);
      }
    });
    const uids = seen.map((item) => item.uid);
    expect(new Set(uids).size).toBe(uids.length);
    expect(uids).toEqual(uids.toSorted());
    for (const uid of before) if (!removed.includes(uid)) expect(uids).toContain(uid);
    expect(removed).toHaveLength(1);
    for (const uid of removed) expect(uids).not.toContain(uid);
  });

  it('leaves deleted items out unless they are asked for', async () => {
    const chat = await create('chats', { title: 'bye' });
    await call('DELETE', `/v1/chats/${chat.uid}`);
    expect((await walk('/v1/chats?limit=1000')).some((item) => item.uid === chat.uid)).toBe(false);
    const found = (await walk('/v1/chats?limit=1000&includeDeleted=true')).find((item) => item.uid === chat.uid);
    expect(found?.deletedAt).toBeDefined();
  });

  it('takes limits from 1 to 1000 and has 100 items a page otherwise', async () => {
    await Promise.all(Array.from({ length: 101 }, (_, n) => create('tasks', { title: `${n}` })));
    expect((await call('GET', '/v1/tasks')).body.items).toHaveLength(100);
    expect((await call('GET', '/v1/tasks?limit=1')).body.items).toHaveLength(1);
    expect((await call('GET', '/v1/tasks?limit=1000')).body.nextCursor).toBeUndefined();
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'limit=1.5', 'limit=', 'limit=1&limit=2']) {
      expect((await problem(400, 'GET', `/v1/tasks?${query}`)).errors?.[0]?.parameter).toBe('limit');
    }
    expect((await problem(400, 'GET', '/v1/tasks?cursor=abc')).errors?.[0]?.parameter).toBe('cursor');
    expect((await problem(400, 'GET', '/v1/tasks?limt=1')).errors?.[0]?.parameter).toBe('limt');
  });

  it('ends a page early when its items are large, and loses none', async () => {
    const comments = await create('notes', { title: 'big' });
    const content = 'x'.repeat(190_000);
    const made = await Promise.all(
      Array.from({ length: 14 }, () => create('comments', { content, parentType: 'note', parentUid: comments.uid })),
    );
    const first = await call('GET', '/v1/comments?limit=1000');
    expect(first.body.items.length).toBeLessThan(14);
    expect(first.body.nextCursor).toBeDefined();
    const uids = (await walk('/v1/comments?limit=1000')).map((item) => item.uid);
    for (const { uid } of made) expect(uids).toContain(uid);
  });
});

describe('faults', () => {
  it.each([
    ['notes', {}, '/title'],
    ['notes', { title: '' }, '/title'],
    ['notes', { title: 5 }, '/title'],
    ['notes', { title: 'a', tags: ['ok', 7] }, '/tags/1'],
    ['notes', { title: 'a', content: 'nul \0' }, '/content'],
    ['notes', { title: 'a', 'extra/part': { '~': '\ud800' } }, '/extra~1part/~0'],
    ['notes', [], ''],
    ['notes', 'text', ''],
    ['tasks', { title: 'a', status: 'later' }, '/status'],
    ['tasks', { title: 'a', priority: 'urgent' }, '/priority'],
    ['tasks', { title: 'a', dueDate: 'tomorrow' }, '/dueDate'],
    ['tasks', { title: 'a', dueDate: '2027-02-31' }, '/dueDate'],
    ['tasks', { title: 'a', parentUid: 'x' }, '/parentUid'],
    ['tasks', { title: 'a', parentUid: '01930f6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f' }, '/parentUid'],
    ['comments', { content: 'c', parentType: 'chat', parentUid: '01930f6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f' }, '/parentType'],
    ['comments', { content: 'c', parentType: 'note', parentUid: '01930f6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f' }, '/parentUid'],
    ['comments', { content: 'c' }, '/parentType'],
    ['chats', { participants: [] }, '/title'],
    ['chat_messages', { content: 'c', chatUid: '01930f6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f' }, '/chatUid'],
  ])('answers 422 for %s %j with the pointer %j', async (entity, payload, pointer) => {
    const answer = await problem(422, 'POST', `/v1/${entity}`, JSON.stringify(payload));
    expect(answer.code).toBe('invalid');
    expect(answer.errors?.map((error) => error.pointer)).toContain(pointer);
  });

  it('names every fault at once', async () => {
    const { errors } = await problem(422, 'POST', '/v1/tasks', { status: 'x', tags: 'y' });
    expect(errors?.map((error) => error.pointer).toSorted()).toEqual(['/status', '/tags', '/title']);
  });

  it('refuses what only the merged payload shows', async () => {
    const note = await create('notes', { title: 'a' });
    expect((await problem(422, 'PATCH', `/v1/notes/${note.uid}`, { title: null })).errors?.[0]?.pointer).toBe('/title');
    expect((await problem(422, 'PATCH', `/v1/notes/${note.uid}`, { tags: {} })).errors?.[0]?.pointer).toBe('/tags');
  });

  it('checks a parent when it is named, not ever after', async () => {
    const note = await create('notes', { title: 'parent' });
    const comment = await create('comments', { content: 'c', parentType: 'note', parentUid: note.uid });
    await call('DELETE', `/v1/notes/${note.uid}`);
    expect((await call('PATCH', `/v1/comments/${comment.uid}`, { content: 'd' })).status).toBe(200);
    await problem(422, 'POST', '/v1/comments', { content: 'c', parentType: 'note', parentUid: note.uid });
    const task = await create('tasks', { title: 'self' });
    await problem(422, 'PATCH', `/v1/tasks/${task.uid}`, { parentUid: task.uid });
  });

  it('refuses what the server sets in every body, and what process does not know', async () => {
    const note = await create('notes', { title: 'mine' });
    const path = `/v1/notes/${note.uid}`;
    const { payload, ...rest } = note;
    const fields = { ...rest, payload, deletedAt: null, archivedAt: 'x' };
    const pointers = Object.keys(fields).map((field) => `/${field}`);
    expect(pointers).toHaveLength(9);
    const requests = [
      ['POST', '/v1/notes'],
      ['PUT', path],
      ['PATCH', path],
    ] as const;
    for (const [method, target] of requests) {
      const { code, errors } = await problem(422, method, target, { title: 'a', ...fields });
      expect(code).toBe('invalid');
      expect(errors?.map((error) => error.pointer).toSorted()).toEqual(pointers.toSorted());
      for (const error of errors ?? []) expect(error.detail).toContain('is set by the server');
      expect(errors?.find((error) => error.pointer === '/version')?.detail).toContain('goes into ifMatch (in HTTP the header If-Match)');
    }
    const { errors } = await problem(422, 'POST', `${path}/process`, { action: 'pin', 'a/b': 1 });
    expect(errors).toEqual([{ pointer: '/a~1b', detail: 'is not known here' }]);
    expect((await call('GET', path)).body).toEqual(note);
    // Deeper down the names are the caller's own.
    expect((await call('PATCH', path, { source: { uid: 'x', version: 3 } })).status).toBe(200);
  });

  it('refuses tasks that are above themselves, however long the circle and whoever closes it', async () => {
    const parent = (of: Item, to: Item) => call('PATCH', `/v1/tasks/${of.uid}`, { parentUid: to.uid });
    const [a, b, c] = [await create('tasks', { title: 'a' }), await create('tasks', { title: 'b' }), await create('tasks', { title: 'c' })];
    expect((await parent(b, a)).status).toBe(200);
    expect((await parent(c, b)).body).toMatchObject({ version: 2, payload: { parentUid: b.uid } });
    for (const below of [b, c]) {
      const { errors } = await problem(422, 'PATCH', `/v1/tasks/${a.uid}`, { parentUid: below.uid.toUpperCase() });
      expect(errors?.[0]).toMatchObject({ pointer: '/parentUid', detail: expect.stringContaining('circle') });
      await problem(422, 'PUT', `/v1/tasks/${a.uid}`, { title: 'a', parentUid: below.uid });
    }
    // Moved within its own branch: no circle.
    expect((await parent(c, a)).status).toBe(200);

    // Each task of a ring wants the next one above it, at the same time, on more requests than there are connections.
    const ring: Item[] = [];
    for (let n = 0; n < 12; n++) ring.push(await create('tasks', { title: `ring ${n}` }));
    const answers = await Promise.all(ring.map((task, n) => parent(task, ring[(n + 1) % ring.length] ?? task)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array<number>(11).fill(200), 422]);
  });

  it('refuses nesting without end', async () => {
    const deep = `{"title":"a","x":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    const { errors } = await problem(422, 'POST', '/v1/notes', deep);
    expect(errors?.[0]?.detail).toContain('nested');
  });

  it('answers 400 for malformed JSON and a uid that is none, 413 for too much, 415 for other media types', async () => {
    for (const body of ['{"title": ', '{"title":"a"} x', '{"__proto__":{"x":1}}']) await problem(400, 'POST', '/v1/notes', body);
    await problem(400, 'POST', '/v1/notes', '', { 'content-type': 'application/json' });
    expect((await problem(400, 'GET', '/v1/notes/12')).errors?.[0]?.parameter).toBe('uid');
    await problem(413, 'POST', '/v1/notes', { title: 'a', content: 'x'.repeat(1_100_000) });
    await problem(415, 'POST', '/v1/notes', 'title=a', { 'content-type': 'application/x-www-form-urlencoded' });
  });
});

describe('assertions', () => {
  const status = async (token: string | undefined, path = '/v1/notes') =>
    (await fetch(`${stack.apiOrigin}${path}`, { headers: token === undefined ? {} : { authorization: token } })).status;

  it('are required, except for health, metrics and the document', async () => {
    expect(await status(undefined)).toBe(401);
    expect(await status('Basic abc')).toBe(401);
    expect(await status('Bearer abc')).toBe(401);
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) expect(await status(undefined, path)).toBe(200);
  });

  it('must be for this tenant and this audience, from the sidecar, signed by its key and not expired', async () => {
    const other = await AssertionSigner.create('another-tenant');
    expect(await status(`Bearer ${other.sign({ subject: 'user_ada', scopes: ['mcp'] }, 'r')}`)).toBe(401);
    const late = await AssertionSigner.create(stack.tenantUid, () => Date.now() - 61_000);
    const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
    const forged = await new SignJWT({ tenant: stack.tenantUid })
      .setProtectedHeader({ alg: 'EdDSA', kid: String(signer.jwks.keys[0]?.['kid']) })
      .setIssuer('tenantry-mcp')
      .setAudience('tenantry-api')
      .setSubject('user_ada')
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(privateKey);
    expect(await status(`Bearer ${forged}`)).toBe(401);
    const [, claims] = forged.split('.');
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`;
    expect(await status(`Bearer ${unsigned}`)).toBe(401);
    // The same signer with its key published: only the time, or only the tenant, is wrong.
    await late.publish(stack.file('assertion/jwks.json'));
    expect(await status(`Bearer ${late.sign({ subject: 'user_ada', scopes: ['mcp'] }, 'r')}`)).toBe(401);
    await other.publish(stack.file('assertion/jwks.json'));
    expect(await status(`Bearer ${other.sign({ subject: 'user_ada', scopes: ['mcp'] }, 'r')}`)).toBe(401);
    await signer.publish(stack.file('assertion/jwks.json'));
    expect(await status(`Bearer ${signer.sign({ subject: 'user_ada', scopes: ['mcp'] }, 'r')}`)).toBe(200);
  });

  it('are accepted from a restarted sidecar with a new key at once', async () => {
    const before = signer;
    signer = await AssertionSigner.create(stack.tenantUid);
    await signer.publish(stack.file('assertion/jwks.json'));
    expect((await call('GET', '/v1/notes')).status).toBe(200);
    expect(await status(`Bearer ${before.sign({ subject: 'user_ada', scopes: ['mcp'] }, 'r')}`)).toBe(401);
  });
});

describe('operation', () => {
  it('describes itself in OpenAPI 3.1 and tells by an ETag when nothing has changed', async () => {
    const response = await fetch(`${stack.apiOrigin}/openapi.json`);
    const document = (await response.json()) as { openapi: string; paths: object };
    expect(document.openapi).toMatch(/^3\.1/);
    expect(Object.keys(document.paths)).toHaveLength(20);
    const etag = response.headers.get('etag') ?? '';
    expect((await fetch(`${stack.apiOrigin}/openapi.json`, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  it('counts requests and passes request ids on', async () => {
    const answer = await call('GET', '/v1/notes', undefined, { 'x-request-id': 'trace-1' });
    expect(answer.headers.get('x-request-id')).toBe('trace-1');
    expect((await call('GET', '/v1/notes', undefined, { 'x-request-id': 'bad id!' })).headers.get('x-request-id')).not.toContain('bad');
    const metrics = await (await fetch(`${stack.apiOrigin}/metrics`)).text();
    expect(metrics).toMatch(/tenantry_api_requests_total\{operation="list_notes",status="200"\} \d+/);
    await eventually('log line', async () => stack.api?.output.includes('"reqId":"trace-1"'));
  });

  it('migrates twice without harm, and many at once', async () => {
    const databaseUrl = await postgres.createDatabase('many');
    const fresh = await Stack.prepare({ databaseUrl });
    const runs = [1, 2, 3].map(() => fresh.run('toolbridge', 'migrate'));
    for (const run of runs) expect(await run.exited, run.output).toBe(0);
    const again = fresh.run('toolbridge', 'migrate');
    expect(await again.exited).toBe(0);
    expect(again.output).toContain('"migrations":[]');
    await fresh.stop();
  });

  it('gives up on an unreachable database in time, and never prints the password', async () => {
    const run = new Program(['toolbridge', 'migrate'], {
      DATABASE_URL: 'postgres://postgres:sesame-street@127.0.0.1:1/acme',
      MIGRATE_WAIT_SECONDS: '1',
    });
    expect(await run.exited).toBe(1);
    expect(run.output).toContain('127.0.0.1:1/acme could not be used within 1 s (ECONNREFUSED)');
    const wrong = new Program(['toolbridge', 'migrate'], {
      DATABASE_URL: `postgres://postgres:open-sesame@127.0.0.1:${postgres.port}/acme`,
      MIGRATE_WAIT_SECONDS: '0',
    });
    expect(await wrong.exited).toBe(1);
    expect(wrong.output).toContain('28P01');
    const malformed = new Program(['toolbridge', 'migrate'], { DATABASE_URL: 'postgres://u:sesame-street@:x:/' });
    expect(await malformed.exited).toBe(1);
    expect(malformed.output).toContain('DATABASE_URL must be a URL');
    for (const { output } of [run, wrong, malformed]) expect(output).not.toMatch(/sesame/);
  });

  it('does not start without what keeps strangers out', async () => {
    const run = new Program(['toolbridge', 'api'], { HOST: '127.0.0.1', TENANTRY_TENANT_UID: 'x', DATABASE_URL: 'postgres://a@b/c' });
    expect(await run.exited).toBe(1);
    expect(run.output).toBe('TENANTRY_ASSERTION_JWKS_FILE is not set\n');
    const nothing = new Program(['nothing', 'api'], {});
    expect(await nothing.exited).toBe(1);
    expect(nothing.output).toBe('there is no stack named "nothing"\n');
  });

  it('is not ready without its database, answers 503, and recovers by itself', async () => {
    await postgres.stop();
    await eventually('not ready', async () => (await fetch(`${stack.apiOrigin}/readyz`)).status === 503);
    expect((await fetch(`${stack.apiOrigin}/healthz`)).status).toBe(200);
    const answer = await problem(503, 'GET', '/v1/notes');
    expect(answer.code).toBe('store-unavailable');
    await postgres.start();
    await eventually('ready', async () => (await fetch(`${stack.apiOrigin}/readyz`)).ok);
    expect((await call('GET', '/v1/notes')).status).toBe(200);
    expect(stack.api?.output).not.toContain('sesame');
  });

  it('outlives connections that the server ends in the middle of a transaction', async () => {
    const note = await create('notes', { title: 'a' });
    // Two, because a transaction sees the list of connections as it was when it first looked.
    const [holder, watcher] = [new pg.Client(postgres.url('acme')), new pg.Client(postgres.url('acme'))];
    await Promise.all([holder.connect(), watcher.connect()]);
    await holder.query('begin');
    await holder.query('select * from items where uid = $1 for update', [note.uid]);
    const waiting = Promise.all(Array.from({ length: 3 }, () => call('PATCH', `/v1/notes/${note.uid}`, { title: 'b' })));
    await eventually('they wait for the row', async () => {
      const { rows } = await watcher.query(
        `select from pg_stat_activity where application_name = 'tenantry-api' and wait_event_type = 'Lock'`,
      );
      return rows.length === 3;
    });
    await watcher.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tenantry-api'`);
    expect((await waiting).map(({ status }) => status)).toEqual([503, 503, 503]);
    await Promise.all([holder.end(), watcher.end()]);
    expect((await call('PATCH', `/v1/notes/${note.uid}`, { title: 'c' })).status).toBe(200);
    expect(stack.api?.process.exitCode).toBeNull();
  });

  it('loses no more than the transaction when its connection ends between two statements', async () => {
    const db = openDatabase({ DATABASE_URL: postgres.url('acme') }, 'between', pino({ level: 'silent' }));
    const failed = await db
      .transaction()
      .execute(async (transaction) => {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction);
        // Nobody reads an answer when the end comes, and an error without a listener would be the end of the process.
        await sql`select pg_terminate_backend(${rows[0]?.pid}, 5000)`.execute(db);
        await new Promise(setImmediate);
        await sql`select 1`.execute(transaction);
      })
      .catch((error: unknown) => error);
    expect(isUnavailable(failed), String(failed)).toBe(true);
    await sql`select 1`.execute(db);
    await db.destroy();
  });

  it('finishes what it has begun when it is told to stop', async () => {
    const running = Array.from({ length: 20 }, (_, n) => call('POST', '/v1/notes', { title: `last ${n}` }));
    const code = stack.api?.stop();
    const answers = await Promise.allSettled(running);
    expect(await code).toBe(0);
    for (const answer of answers) {
      if (answer.status === 'fulfilled') expect(answer.value.status).toBe(201);
      // Not begun: the connection was never taken.
      else expect(String(answer.reason.cause?.code ?? answer.reason)).toMatch(/ECONNREFUSED|UND_ERR_SOCKET|ECONNRESET/);
    }
    expect(stack.api?.output).toContain('"msg":"stopped"');
  });
});
