import type { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../eventually.ts';
import { ControlPlanePeer, type Databases, openDatabases, Stack } from '../stack.ts';

interface Item {
  uid: string;
  version: number;
  createdBy: string;
  deletedAt?: string;
  archivedAt?: string;
  payload: Record<string, unknown>;
}

let databases: Databases;
let controlPlane: ControlPlanePeer;
let stack: Stack;
let key: string;

beforeAll(async () => {
  databases = openDatabases();
  controlPlane = await ControlPlanePeer.start();
  stack = await Stack.prepare({ databaseUrl: await databases.createDatabase('acme'), controlPlane, organization: false });
  key = await stack.addKey(['mcp', 'api']);
  const migration = stack.run('toolbridge', 'migrate');
  expect(await migration.exited, migration.output).toBe(0);
  stack.startApi();
  stack.startMcp();
  await stack.ready();
});

afterAll(async () => {
  await stack?.stop();
  await controlPlane?.close();
  await databases?.remove();
});

async function call(client: Client, name: string, args: Record<string, unknown>) {
  const result = await client.callTool({ name, arguments: args });
  const content = result.content as { type: string; text: string }[];
  return { isError: result.isError === true, text: content.map(({ text }) => text).join('\n'), data: result.structuredContent };
}

async function item(client: Client, name: string, args: Record<string, unknown>): Promise<Item> {
  const { isError, text, data } = await call(client, name, args);
  expect(isError, `${name}: ${text}`).toBe(false);
  expect(JSON.parse(text)).toEqual(data);
  return data as unknown as Item;
}

describe.each([
  ['auto', '2026-07-28'],
  ['legacy', '2025-11-25'],
] as const)('a client that negotiates %s', (mode, version) => {
  let client: Client;
  beforeAll(async () => {
    client = await stack.connect(key, mode);
  });
  afterAll(async () => {
    await client?.close();
  });

  it('speaks its era and learns whom it talks to', () => {
    expect(client.getNegotiatedProtocolVersion()).toBe(version);
    expect(client.getServerVersion()).toMatchObject({ name: 'tenantry-acme', title: 'Acme Ltd', version: '1.0.0' });
    expect(client.getInstructions()).toContain('Notes, tasks');
  });

  it('lists 40 tools with hints', async () => {
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name);
    const expected = [
      ['note', 'notes'],
      ['task', 'tasks'],
      ['comment', 'comments'],
      ['chat', 'chats'],
      ['chat_message', 'chat_messages'],
    ].flatMap(([one, many]) => [
      `list_${many}`,
      ...['get', 'create', 'update', 'patch', 'delete', 'archive', 'process'].map((verb) => `${verb}_${one}`),
    ]);
    expect(names.toSorted()).toEqual(expected.toSorted());
    const hints = Object.fromEntries(tools.map((tool) => [tool.name, tool.annotations]));
    expect(hints['get_note']).toMatchObject({ title: 'Get note', readOnlyHint: true });
    expect(hints['create_note']).toMatchObject({ readOnlyHint: false, destructiveHint: false, idempotentHint: false });
    expect(hints['update_note']).toMatchObject({ destructiveHint: true, idempotentHint: true });
    expect(hints['delete_note']).toMatchObject({ destructiveHint: true, idempotentHint: false });
  });

  it('calls every one of the 40 tools with real data', async () => {
    const note = await item(client, 'create_note', { title: 'Kick-off', content: 'Agreed.', tags: ['meeting'], room: 4 });
    const task = await item(client, 'create_task', {
      title: 'Report',
      description: 'Write it',
      status: 'todo',
      priority: 'high',
      dueDate: '2027-01-31',
      tags: ['q1'],
    });
    await item(client, 'create_task', { title: 'Part', dueDate: '2027-01-31T12:00:00Z', parentUid: task.uid });
    const comment = await item(client, 'create_comment', { content: 'Good', parentType: 'note', parentUid: note.uid });
    const chat = await item(client, 'create_chat', { title: 'Launch', participants: ['ada', 'grace'] });
    const message = await item(client, 'create_chat_message', { chatUid: chat.uid, content: 'Live', sender: 'ada' });
    // What others refer to goes last, because it is deleted at the end.
    const cases = [
      {
        one: 'comment',
        many: 'comments',
        made: comment,
        fields: { content: 'New', parentType: 'task', parentUid: task.uid },
        actions: ['resolve', 'reopen'],
      },
      {
        one: 'chat_message',
        many: 'chat_messages',
        made: message,
        fields: { chatUid: chat.uid, content: 'New' },
        actions: ['mark_delivered', 'mark_read'],
      },
      { one: 'chat', many: 'chats', made: chat, fields: { title: 'New' }, actions: ['resolve', 'reopen'] },
      {
        one: 'task',
        many: 'tasks',
        made: task,
        fields: { title: 'New', status: 'todo' },
        actions: ['start', 'complete', 'reopen'],
      },
      { one: 'note', many: 'notes', made: note, fields: { title: 'New' }, actions: ['pin', 'unpin', 'archive', 'unarchive'] },
    ];
    for (const { one, many, made, fields, actions } of cases) {
      expect(made.createdBy).toMatch(/^key:/);
      const { uid } = made;
      expect(await item(client, `get_${one}`, { uid })).toEqual(made);
      const page = (await call(client, `list_${many}`, { limit: 1000 })).data as unknown as { items: Item[] };
      expect(page.items).toContainEqual(made);
      const updated = await item(client, `update_${one}`, { uid, ifMatch: 1, ...fields });
      expect(updated).toMatchObject({ version: 2, payload: fields });
      const patched = await item(client, `patch_${one}`, { uid, ifMatch: 2, mood: 'fine' });
      expect(patched.payload).toEqual({ ...updated.payload, mood: 'fine' });
      let current = patched;
      for (const action of actions) current = await item(client, `process_${one}`, { uid, action, ifMatch: current.version });
      const archived = await item(client, `archive_${one}`, { uid });
      expect(archived.archivedAt).toBeDefined();
      const deleted = await item(client, `delete_${one}`, { uid, ifMatch: archived.version });
      expect(deleted.deletedAt).toBeDefined();
      expect(await call(client, `get_${one}`, { uid })).toMatchObject({ isError: true, text: expect.stringContaining('410') });
      expect(await item(client, `get_${one}`, { uid, includeDeleted: true })).toEqual(deleted);
    }
  });

  it('is told what to do better when arguments are wrong, before anything is called', async () => {
    const wrong = async (name: string, args: Record<string, unknown>) => {
      const { isError, text } = await call(client, name, args);
      expect(isError).toBe(true);
      return text;
    };
    expect(await wrong('create_task', { status: 'later', tags: 'x' })).toBe(
      'Arguments of create_task are not valid; nothing was done:\n' +
        '- title is required\n- status must be one of todo, in_progress, done\n- tags must be array',
    );
    expect(await wrong('list_notes', { limit: 5000, sort: 'asc' })).toContain(
      'sort is no argument of this tool; it has: limit, cursor, includeDeleted',
    );
    expect(await wrong('create_task', { title: 'a', dueDate: 'soon' })).toContain(
      'dueDate must be as described: a date such as 2027-01-31 or a time such as 2027-01-31T09:00:00Z',
    );
    expect(await wrong('process_note', { uid: crypto.randomUUID(), action: 'explode' })).toContain('pin, unpin, archive, unarchive');
    expect(await wrong('process_note', { uid: crypto.randomUUID(), action: 'pin', force: true })).toContain(
      'force is no argument of this tool; it has: uid, ifMatch, action',
    );
    expect(await wrong('get_note', { uid: '../tasks' })).toContain('uid must be a valid uuid');
  });

  it('gets the problem of the API as the result', async () => {
    const note = await item(client, 'create_note', { title: 'a' });
    await item(client, 'patch_note', { uid: note.uid, title: 'b' });
    const mismatch = await call(client, 'patch_note', { uid: note.uid, ifMatch: 1, title: 'c' });
    expect(mismatch).toMatchObject({ isError: true, text: expect.stringContaining('409: This note has version 2, not 1') });
    expect(mismatch.text).toContain('with ifMatch 2 (in HTTP the header If-Match)');
    const orphan = await call(client, 'create_comment', { content: 'c', parentType: 'note', parentUid: crypto.randomUUID() });
    expect(orphan).toMatchObject({ isError: true, text: expect.stringContaining('/parentUid: refers to no existing note') });
  });

  it('cannot set what the server sets, and uid stays the item to change', async () => {
    const note = await item(client, 'create_note', { title: 'a' });
    const patched = await call(client, 'patch_note', { uid: note.uid, version: 7, createdAt: 'x' });
    expect(patched).toMatchObject({ isError: true, text: expect.stringContaining('/createdAt: is set by the server') });
    expect(patched.text).toContain('/version: is set by the server; the version last read goes into ifMatch');
    const created = await call(client, 'create_note', { title: 'a', uid: 'x', version: 3, createdBy: 'me' });
    for (const name of ['uid', 'version', 'createdBy']) expect(created.text).toContain(`/${name}: is set by the server`);
    expect(await item(client, 'patch_note', { uid: note.uid })).toEqual(note);
    expect(await item(client, 'update_note', { uid: note.uid, title: 'b' })).toMatchObject({ version: 2, payload: { title: 'b' } });
  });

  it('gets a protocol error for a tool that does not exist, which says where to look', async () => {
    await expect(client.callTool({ name: 'drop_tables', arguments: {} })).rejects.toThrow(/no tool "drop_tables"\. Call tools\/list/);
  });
});

describe('the sidecar', () => {
  it('passes the request id on to the API', async () => {
    const response = await fetch(stack.mcpUrl, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'x-request-id': 'trace-through',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'list_notes', arguments: {} } }),
    });
    expect(response.headers.get('x-request-id')).toBe('trace-through');
    await response.text();
    await eventually('log line of the API', async () => stack.api?.output.includes('"reqId":"trace-through"'));
  });

  it('counts requests, tool calls and refusals', async () => {
    await fetch(stack.mcpUrl, { method: 'POST' });
    const metrics = await (await fetch(`${stack.sidecarOrigin}/metrics`)).text();
    expect(metrics).toMatch(/tenantry_mcp_tool_calls_total\{tool="create_note",outcome="ok"\} \d/);
    expect(metrics).toMatch(/tenantry_mcp_tool_calls_total\{tool="create_task",outcome="invalid_arguments"\} \d/);
    expect(metrics).toMatch(/tenantry_mcp_tool_calls_total\{tool="patch_note",outcome="api_error"\} \d/);
    expect(metrics).toMatch(/tenantry_mcp_requests_total\{route="mcp",method="tools\/call",status="200"\} \d/);
    expect(metrics).toMatch(/tenantry_mcp_auth_failures_total\{reason="no_token"\} \d/);
    expect(metrics).toMatch(/tenantry_mcp_request_duration_seconds_count/);
  });

  it('says that the API is away, and serves again when it is back, with the tools it had', async () => {
    const client = await stack.connect(key);
    expect(await stack.api?.stop('SIGKILL')).toBe(null);
    const away = await call(client, 'list_notes', {});
    expect(away).toMatchObject({ isError: true, text: expect.stringContaining('cannot be reached') });
    expect((await client.listTools()).tools).toHaveLength(40);
    stack.startApi();
    await eventually('tool call', async () => !(await call(client, 'list_notes', {})).isError);
    await client.close();
  });

  it('is accepted by the API at once after its own restart', async () => {
    expect(await stack.mcp?.stop()).toBe(0);
    expect(stack.mcp?.output).toContain('"msg":"stopped"');
    stack.startMcp();
    await stack.ready();
    const client = await stack.connect(key);
    expect((await call(client, 'list_notes', {})).isError).toBe(false);
    await client.close();
  });

  it('never logs keys or assertions', () => {
    for (const output of [stack.api?.output, stack.mcp?.output]) {
      expect(output).not.toContain(key);
      expect(output).not.toMatch(/eyJ/);
    }
  });
});
