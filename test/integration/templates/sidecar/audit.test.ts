import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import type { Client } from '@modelcontextprotocol/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ToolCallRecord } from '../../../../audit/record.ts';
import { lineOf } from '../../../../audit/segment.ts';
import { spoolBytes } from '../../../../audit/spool.ts';
import { eventually } from '../../../eventually.ts';
import { ControlPlanePeer, type Databases, issuer, openDatabases, Program, Stack } from '../stack.ts';

let databases: Databases;
let databaseUrl: string;
let controlPlane: ControlPlanePeer;
let stack: Stack;

beforeAll(async () => {
  databases = openDatabases();
  databaseUrl = await databases.createDatabase('acme');
});

afterAll(async () => {
  await databases?.remove();
});

beforeEach(async () => {
  controlPlane = await ControlPlanePeer.start();
  stack = await Stack.start({ databaseUrl, controlPlane });
});

afterEach(async () => {
  await stack?.stop();
  await controlPlane?.close();
});

const recorded = () => [...controlPlane.records.values()];
const textOf = (result: { content?: unknown }) => (result.content as { text: string }[])[0]?.text ?? '';

/** What is on disk and not yet taken. */
async function spooled(): Promise<string> {
  const files = (await readdir(stack.file('spool'))).filter((name) => name.endsWith('.log'));
  return (await Promise.all(files.map((name) => readFile(`${stack.file('spool')}/${name}`, 'utf8')))).join('');
}

async function connected(): Promise<Client> {
  const key = await stack.addKey(['mcp']);
  return await eventually('connection', () => stack.connect(key));
}

/** Restarts the sidecar in the same pod. */
async function restarted(signal: NodeJS.Signals): Promise<void> {
  await stack.mcp?.stop(signal);
  stack.startMcp();
  await stack.ready();
}

it('says who called what with which outcome, without what was written', async () => {
  controlPlane.members.add('user_ada');
  controlPlane.roles.set('user_ada', { role: 'viewer', access: 'read' });
  const token = await controlPlane.sign({ iss: issuer, aud: stack.mcpUrl, sub: 'user_ada', exp: Math.floor(Date.now() / 1000) + 300 });
  const before = Date.now();
  const reader = await stack.connect(token);
  await reader.callTool({ name: 'list_notes', arguments: { limit: 7 } });
  await reader.callTool({ name: 'create_note', arguments: { title: 'Salaries' } });
  await reader.close();
  const writer = await connected();
  const made = await writer.callTool({
    name: 'create_note',
    arguments: { title: 'Salaries', content: 'Ada: 90,000', apiToken: 'hunter2' },
  });
  const { uid } = made.structuredContent as { uid: string };
  await writer.callTool({ name: 'process_note', arguments: { uid, action: 'pin', ifMatch: 1 } });
  await writer.callTool({ name: 'get_note', arguments: { uid: 'Salaries of Ada' } });
  await expect(writer.callTool({ name: 'drop_tables', arguments: {} })).rejects.toThrow();
  await writer.close();
  await eventually('five records', async () => controlPlane.records.size === 5);
  const sorted = recorded().toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const byKey = { subject: expect.stringMatching(/^key:\w{12}$/) };
  const byUser = { subject: 'user_ada', organizationId: 'org_acme' };
  expect(sorted).toEqual(
    [
      { ...byUser, tool: 'list_notes', arguments: { limit: 7 }, outcome: 'ok' },
      { ...byUser, tool: 'create_note', arguments: { title: '[8 characters]' }, outcome: 'forbidden' },
      {
        ...byKey,
        tool: 'create_note',
        arguments: { title: '[8 characters]', content: '[11 characters]', apiToken: '[redacted]' },
        outcome: 'ok',
      },
      { ...byKey, tool: 'process_note', arguments: { uid, action: 'pin', ifMatch: 1 }, outcome: 'ok' },
      { ...byKey, tool: 'get_note', arguments: { uid: '[15 characters]' }, outcome: 'invalid_arguments' },
    ].map((record) => ({
      ...record,
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      requestId: expect.any(String),
      durationMs: expect.any(Number),
    })),
  );
  for (const { time } of sorted) expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
  for (const secret of ['Salaries', '90,000', 'hunter2']) expect(JSON.stringify(sorted)).not.toContain(secret);
});

it('has a call on disk before its answer, and at the control plane within a second', async () => {
  const client = await connected();
  controlPlane.down = true;
  for (let n = 1; n <= 5; n++) {
    await client.callTool({ name: 'list_notes', arguments: { limit: n } });
    expect(await spooled()).toContain(`"arguments":{"limit":${n}}`);
  }
  controlPlane.down = false;
  await eventually('records are sent again', async () => controlPlane.records.size === 5);
  // One in time will do: on a busy machine some may be late.
  await eventually('one that arrives within a second', async () => {
    const start = performance.now();
    const before = controlPlane.records.size;
    await client.callTool({ name: 'list_notes', arguments: {} });
    await eventually('it', async () => controlPlane.records.size > before);
    return performance.now() - start < 1_000;
  });
  await eventually('nothing is left on disk', async () => (await spooled()) === '');
  await client.close();
});

it('loses no call over restarts and kills of the sidecar while the control plane is away, and repeats none', async () => {
  controlPlane.down = true;
  let calls = 0;
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
    const client = await connected();
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        await client.callTool({ name: 'list_notes', arguments: { limit: ++calls } });
      }),
    );
    await client.close();
    await restarted(signal);
  }
  expect(controlPlane.records.size).toBe(0);
  controlPlane.down = false;
  await eventually('all are there', async () => controlPlane.records.size >= calls);
  const limits = recorded().map((record) => (record.arguments as { limit: number }).limit);
  expect(limits.toSorted((a, b) => a - b)).toEqual(Array.from({ length: calls }, (_, n) => n + 1));
});

it('hands over what it has when it is told to stop', async () => {
  const client = await connected();
  await client.callTool({ name: 'list_notes', arguments: {} });
  expect(await stack.mcp?.stop()).toBe(0);
  expect(controlPlane.records.size).toBe(1);
  expect(await spooled()).toBe('');
});

it('calls no tool that could not be recorded, and calls again when there is room', async () => {
  await stack.mcp?.stop();
  controlPlane.down = true;
  const record: ToolCallRecord = {
    id: '',
    time: new Date(Date.now() - 600_000).toISOString(),
    requestId: 'before',
    subject: 'user_ada',
    tool: 'list_notes',
    arguments: 'x'.repeat(60_000),
    durationMs: 1,
    outcome: 'ok',
  };
  const lines = Array.from({ length: Math.ceil((spoolBytes * 0.9) / 60_000) }, () => lineOf({ ...record, id: crypto.randomUUID() }));
  await mkdir(stack.file('spool'), { recursive: true });
  await writeFile(`${stack.file('spool')}/000000000001.log`, Buffer.concat(lines));
  stack.startMcp();
  await stack.ready();
  const client = await connected();
  const title = `unrecorded ${crypto.randomUUID()}`;
  const refused = await client.callTool({ name: 'create_note', arguments: { title } });
  expect(refused.isError).toBe(true);
  expect(textOf(refused)).toContain('create_note was not called');
  expect((await client.listTools()).tools).toHaveLength(40);
  const metrics = await (await fetch(`${stack.sidecarOrigin}/metrics`)).text();
  const metric = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
  expect(metric('tenantry_mcp_audit_spool_bytes')).toBe(Buffer.concat(lines).length);
  expect(metric('tenantry_mcp_audit_oldest_record_age_seconds')).toBeGreaterThan(599);
  expect(metrics).toContain('tenantry_mcp_tool_calls_total{tool="create_note",outcome="unrecorded"} 1');
  controlPlane.down = false;
  await eventually('the spool is taken', async () => controlPlane.records.size === lines.length);
  const notes = await client.callTool({ name: 'list_notes', arguments: { limit: 1000 } });
  expect(notes.isError).not.toBe(true);
  expect(textOf(notes)).not.toContain(title);
  await client.close();
});

it.each(['refuses', 'chokesOn'] as const)('is not held up by a record that the control plane %s', async (fault) => {
  controlPlane[fault] = ({ tool }) => tool === 'list_chats';
  const client = await connected();
  for (const name of ['list_notes', 'list_chats', 'list_tasks', 'list_comments']) await client.callTool({ name, arguments: {} });
  await eventually('the others are there', async () => controlPlane.records.size === 3);
  expect(recorded().map(({ tool }) => tool)).toEqual(['list_notes', 'list_tasks', 'list_comments']);
  await eventually('it is set aside', async () =>
    /"reason":.*"tool":"list_chats"/.test(await readFile(`${stack.file('spool')}/refused.jsonl`, 'utf8')),
  );
  const said = await eventually('the log says so', async () => /\{[^\n]*"audit record refused"[^\n]*/.exec(stack.mcp?.output ?? '')?.[0]);
  expect(said).toContain('"kept":true');
  expect(said).not.toContain('list_chats');
  await eventually('nothing is left on disk', async () => (await spooled()) === '');
  await client.close();
});

it('tells when keys were last used, at either door', async () => {
  const key = await stack.addKey(['api']);
  const id = key.split('_')[1] ?? '';
  const before = Date.now();
  await eventually('key is known', async () => {
    const response = await fetch(`${stack.apiUrl}/v1/notes`, { headers: { authorization: `Bearer ${key}` } });
    return response.ok;
  });
  const used = await eventually('its use is told', async () => controlPlane.keyUses.get(id));
  expect(Date.parse(used)).toBeGreaterThanOrEqual(before);
  const client = await connected();
  await client.callTool({ name: 'list_notes', arguments: {} });
  await eventually('the other travels with the record', async () => controlPlane.records.size === 1 && controlPlane.keyUses.size === 2);
  await client.close();
});

it('has a folder to begin with, or the sidecar does not start', async () => {
  const without = new Program(['mcp'], { ...stack.mcpEnvironment(), TENANTRY_AUDIT_SPOOL_DIR: '' });
  expect(await without.exited).toBe(1);
  expect(without.output).toBe('TENANTRY_AUDIT_SPOOL_DIR is not set\n');
  const unusable = new Program(['mcp'], { ...stack.mcpEnvironment(), TENANTRY_AUDIT_SPOOL_DIR: stack.file('keys.json') });
  expect(await unusable.exited).toBe(1);
  expect(unusable.output).toMatch(/^TENANTRY_AUDIT_SPOOL_DIR cannot be used: EEXIST/);
});
