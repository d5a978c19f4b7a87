import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Schema } from '../../../../templates/api-kit/database.ts';
import { describeApi } from '../../../../templates/api-kit/stack.ts';
import { entities } from '../../../../templates/toolbridge/entities.ts';
import { stack } from '../../../../templates/toolbridge/program.ts';

/** Compiles queries and runs none. */
const db = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (kysely) => new PostgresIntrospector(kysely),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** Clients are made from the document, so a change of it is a change for them. The operations of the other entities differ in names alone. */
it('the OpenAPI document of comments is the stored one', async () => {
  const { document } = describeApi(stack, db, { defaultPageSize: 100, clock: () => new Date(0) });
  const { paths = {}, ...rest } = JSON.parse(JSON.stringify(document)) as { paths?: Record<string, unknown> };
  const ofComments = Object.fromEntries(Object.entries(paths).filter(([path]) => path.startsWith('/v1/comments')));
  const text = stringify({ ...rest, paths: ofComments }, { aliasDuplicateObjects: false, lineWidth: 0 });
  await expect(text).toMatchFileSnapshot('comments.openapi.yaml');
});

describe('an action', () => {
  const now = new Date('2026-01-01T00:00:00Z');
  const time = now.toISOString();

  it.each<[string, string, object, object]>([
    ['note', 'pin', { title: 'a' }, { payload: { title: 'a', pinned: true } }],
    ['note', 'unpin', { title: 'a', pinned: true }, { payload: { title: 'a', pinned: false } }],
    ['note', 'archive', {}, { archived: true }],
    ['note', 'unarchive', {}, { archived: false }],
    ['task', 'start', { title: 'a' }, { payload: { title: 'a', status: 'in_progress' } }],
    ['task', 'complete', {}, { payload: { status: 'done' } }],
    ['task', 'reopen', {}, { payload: { status: 'todo' } }],
    ['comment', 'resolve', {}, { payload: { resolved: true } }],
    ['comment', 'reopen', {}, { payload: { resolved: false } }],
    ['chat', 'resolve', {}, { payload: { resolved: true } }],
    ['chat_message', 'mark_delivered', {}, { payload: { deliveredAt: time } }],
    ['chat_message', 'mark_delivered', { deliveredAt: 'before' }, { payload: { deliveredAt: 'before' } }],
    ['chat_message', 'mark_read', {}, { payload: { deliveredAt: time, readAt: time } }],
    ['chat_message', 'mark_read', { deliveredAt: 'a', readAt: 'b' }, { payload: { deliveredAt: 'a', readAt: 'b' } }],
  ])('of a %s, %s, makes of %j: %j', (name, action, payload, result) => {
    const entity = entities.find((one) => one.name === name);
    expect(entity?.actions[action]?.({ ...payload }, now)).toEqual(result);
  });
});

describe('a reference', () => {
  it.each<[string, object, object | undefined]>([
    ['task', { parentUid: 'u' }, { entity: 'task', uid: 'u', pointer: '/parentUid' }],
    ['task', {}, undefined],
    ['comment', { parentType: 'note', parentUid: 'u' }, { entity: 'note', uid: 'u', pointer: '/parentUid' }],
    ['chat_message', { chatUid: 'u' }, { entity: 'chat', uid: 'u', pointer: '/chatUid' }],
  ])('of a %s with %j is %j', (name, payload, reference) => {
    expect(entities.find((one) => one.name === name)?.reference?.({ ...payload })).toEqual(reference);
  });
});
