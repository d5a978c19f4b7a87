import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AssertionSigner } from '../../../../templates/sidecar/auth/assertion-signer.ts';
import { eventually } from '../../../eventually.ts';
import { ControlPlanePeer, type Databases, issuer, openDatabases, Stack } from '../stack.ts';

let databases: Databases;
let controlPlane: ControlPlanePeer;
let stack: Stack;
let note: { uid: string };

beforeAll(async () => {
  databases = openDatabases();
  controlPlane = await ControlPlanePeer.start();
  stack = await Stack.start({ databaseUrl: await databases.createDatabase('acme'), controlPlane });
  const made = await api('POST', await member(undefined, stack.apiUrl), '', { title: 'Kick-off' });
  expect(made.status).toBe(201);
  note = (await made.json()) as { uid: string };
});

afterAll(async () => {
  await stack?.stop();
  await controlPlane?.close();
  await databases?.remove();
});

const seconds = () => Math.floor(Date.now() / 1000);

/** A token for a new member with that role. */
async function member(role: { role: string; access: string } | undefined, audience = stack.mcpUrl, claims = {}): Promise<string> {
  const subject = `user_${crypto.randomUUID().slice(0, 8)}`;
  controlPlane.members.add(subject);
  if (role !== undefined) controlPlane.roles.set(subject, role);
  return await controlPlane.sign({ iss: issuer, aud: audience, sub: subject, iat: seconds(), exp: seconds() + 300, ...claims });
}

async function api(method: string, credential: string, path = '', body?: object, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`${stack.apiUrl}/v1/notes${path}`, {
    method,
    headers: { authorization: `Bearer ${credential}`, ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
}

const viewer = { role: 'viewer', access: 'read' };

describe.each<[string, (door: 'mcp' | 'api') => Promise<string>, string]>([
  ['a viewer', (door) => member(viewer, door === 'mcp' ? stack.mcpUrl : stack.apiUrl), 'Your role "viewer" may only read'],
  [
    'a viewer whose token claims more',
    (door) => member(viewer, door === 'mcp' ? stack.mcpUrl : stack.apiUrl, { scope: 'mcp api openid' }),
    'Your role "viewer" may only read',
  ],
  ['a reading API key', (door) => stack.addKey([`${door}:read`]), 'This API key may only read'],
])('%s', (_name, credentialFor, reason) => {
  it.each(['auto', 'legacy'] as const)('sees and calls what reads, over MCP with a client of %s', async (mode) => {
    const credential = await credentialFor('mcp');
    const client = await eventually('connection', () => stack.connect(credential, mode));
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).toSorted()).toEqual(
      ['note', 'task', 'comment', 'chat', 'chat_message'].flatMap((name) => [`get_${name}`, `list_${name}s`]).toSorted(),
    );
    expect(tools.every(({ annotations }) => annotations?.readOnlyHint)).toBe(true);
    const read = await client.callTool({ name: 'get_note', arguments: { uid: note.uid } });
    expect(read.structuredContent).toMatchObject({ uid: note.uid, version: 1 });
    const refused = await client.callTool({ name: 'patch_note', arguments: { uid: note.uid, title: 'changed' } });
    expect(refused.isError).toBe(true);
    const [content] = refused.content as { text: string }[];
    expect(content?.text).toContain(reason);
    expect(content?.text).toContain('patch_note makes changes, so it was not called');
    await expect(client.callTool({ name: 'drop_tables', arguments: {} })).rejects.toThrow(/no tool "drop_tables"/);
    const again = await client.callTool({ name: 'get_note', arguments: { uid: note.uid } });
    expect(again.structuredContent).toEqual(read.structuredContent);
    await client.close();
  });

  it('reads the REST API and changes nothing', async () => {
    const credential = await credentialFor('api');
    await eventually('credential is known', async () => (await api('GET', credential)).status === 200);
    expect((await api('HEAD', credential)).status).toBe(200);
    for (const [method, path, body] of [
      ['POST', '', { title: 'new' }],
      ['PUT', `/${note.uid}`, { title: 'changed' }],
      ['PATCH', `/${note.uid}`, { title: 'changed' }],
      ['DELETE', `/${note.uid}`],
      ['POST', `/${note.uid}/archive`],
    ] as const) {
      const refused = await api(method, credential, path, body);
      expect(refused.status, method).toBe(403);
      expect(await refused.json()).toMatchObject({ status: 403, detail: expect.stringContaining(reason) });
    }
    await api('GET', credential, `/${note.uid}`, undefined, { 'x-http-method-override': 'DELETE' });
    expect(await (await api('GET', credential, `/${note.uid}`)).json()).toMatchObject({ uid: note.uid, version: 1 });
  });
});

it('a role that allows nothing is refused with 403 at both doors', async () => {
  const guest = { role: 'guest', access: 'none' };
  const refused = await api('GET', await member(guest, stack.apiUrl));
  expect(refused.status).toBe(403);
  expect(await refused.json()).toMatchObject({ detail: expect.stringContaining('Your role "guest" may not use this tenant') });
  await expect(stack.connect(await member(guest))).rejects.toThrow();
});

it('an access that is not understood lets nobody in', async () => {
  expect((await api('GET', await member({ role: 'new', access: 'some' }, stack.apiUrl))).status).toBe(503);
});

it('a changed role counts, and nobody is let in unasked, once the answers have lived out their time', async () => {
  const known = async (subject: string) => {
    controlPlane.members.add(subject);
    const token = await controlPlane.sign({ iss: issuer, aud: stack.apiUrl, sub: subject, exp: seconds() + 300 });
    return async () => await api('POST', token, '', { title: 'x' });
  };
  const writes = [await known('user_demoted'), await known('user_forgotten')];
  const [demoted = writes[0], forgotten] = writes;
  const start = performance.now();
  for (const write of writes) expect((await write()).status).toBe(201);
  controlPlane.roles.set('user_demoted', viewer);
  controlPlane.unknowable.add('user_forgotten');
  const until = async (write: (() => Promise<Response>) | undefined, expected: number) => {
    for (;;) {
      const response = await write?.();
      if (response?.status !== 201) {
        expect(response?.status).toBe(expected);
        return { response, after: performance.now() - start };
      }
      expect(performance.now() - start).toBeLessThan(40_000);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  };
  const [refused, unknown] = await Promise.all([until(demoted, 403), until(forgotten, 503)]);
  expect(refused.after).toBeGreaterThan(14_000);
  expect(unknown.after).toBeGreaterThan(29_000);
  expect(unknown.response?.headers.get('retry-after')).toBe('3');
  controlPlane.unknowable.clear();
  expect((await forgotten?.())?.status).toBe(201);
});

describe('the API itself', () => {
  let signer: AssertionSigner;
  beforeAll(async () => {
    signer = await AssertionSigner.create(stack.tenantUid);
    await signer.publish(stack.file('assertion/jwks.json'));
  });

  it.each<[string[], number, number]>([
    [['mcp'], 200, 201],
    [['api'], 200, 201],
    [['mcp:read'], 200, 403],
    [['api:read', 'openid'], 200, 403],
    [['probe'], 403, 403],
    [[], 403, 403],
  ])('judges an assertion of %j too', async (scopes, reading, writing) => {
    const call = async (method: string, body?: object) => {
      const authorization = `Bearer ${signer.sign({ subject: 'user_ada', scopes }, 'test')}`;
      const response = await fetch(`${stack.apiOrigin}/v1/notes`, {
        method,
        headers: { authorization, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      if (response.status === 403) expect(await response.json()).toMatchObject({ code: 'forbidden' });
      return response.status;
    };
    expect(await call('GET')).toBe(reading);
    expect(await call('POST', { title: 'a' })).toBe(writing);
  });
});
