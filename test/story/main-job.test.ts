import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTrue } from '../../crds/conditions.ts';
import { databaseNames, namespaceOf } from '../../crds/names.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { callTool } from '../../local/mcp-requests.ts';
import { connectWithToken, signIn } from '../../local/sign-in.ts';
import { type Customer, manifest, mcpOf, newCustomer, statusWith, viaApi, viaKubectl } from '../customer.ts';
import { logFiles, unlessGone } from '../log-watch.ts';
import { World } from '../world.ts';

/** Create, use, isolate, delete: what Tenantry is for. The same in local mode and on a real cluster. */

const world = new World();
let first: Customer;
let second: Customer;

beforeAll(async () => {
  [first, second] = await Promise.all([newCustomer(world, viaApi), newCustomer(world, viaKubectl)]);
});

afterAll(async () => {
  await world.remove(...[first, second].filter((made) => made !== undefined).map(({ name }) => name));
});

describe('a tenant that is Ready', () => {
  test('shows its template, endpoint and readiness to kubectl', async () => {
    const { stdout } = await world.kubectl(['get', 'tn', second.name]);
    expect(stdout.split('\n')[0]?.split(/\s+/)).toEqual(['NAME', 'TEMPLATE', 'READY', 'ENDPOINT', 'AGE']);
    expect(stdout).toContain(`toolbridge   True    ${mcpOf(second.tenant)}`);
    const explained = await world.kubectl(['explain', 'tenant.spec.deletionPolicy']);
    expect(explained.stdout).toContain('retain keeps the database');
  });

  test('has every condition true for its present generation', () => {
    for (const type of [
      'TemplateResolved',
      'SecretsReady',
      'DatabaseReady',
      'WorkloadAvailable',
      'RouteReady',
      'AuthorizationReady',
      'Verified',
    ] as const) {
      expect(isTrue(first.tenant.status?.conditions, type), type).toBe(true);
    }
    for (const { type, observedGeneration } of first.tenant.status?.conditions ?? [])
      expect(observedGeneration, type).toBe(first.tenant.metadata.generation);
    expect(first.tenant.status?.server).toMatchObject({ tools: 40 });
  });

  test('is told of in Events', async () => {
    const { stdout } = await world.kubectl(['get', 'events', '-n', 'default', '--field-selector', `involvedObject.name=${first.name}`]);
    expect(stdout).toContain('Ready');
  });
});

describe('the 40 tools', () => {
  const entities = [
    { one: 'note', many: 'notes', create: { title: 'Plan', content: 'Draft', tags: ['a'] }, change: { title: 'Plan B' }, action: 'pin' },
    { one: 'task', many: 'tasks', create: { title: 'Ship', priority: 'high' }, change: { title: 'Ship it' }, action: 'start' },
    { one: 'comment', many: 'comments', create: { content: 'Fine' }, change: { content: 'Better' }, action: 'resolve' },
    { one: 'chat', many: 'chats', create: { title: 'Launch', participants: ['ada'] }, change: { title: 'Launched' }, action: 'resolve' },
    {
      one: 'chat_message',
      many: 'chat_messages',
      create: { content: 'Hi', sender: 'ada' },
      change: { content: 'Hello' },
      action: 'mark_read',
    },
  ] as const;

  test('are exactly those of the five entities', async () => {
    const { tools } = await first.session.client.listTools();
    const expected = entities.flatMap(({ one, many }) => [
      `list_${many}`,
      ...['get', 'create', 'update', 'patch', 'delete', 'archive', 'process'].map((verb) => `${verb}_${one}`),
    ]);
    expect(tools.map((tool) => tool.name).sort()).toEqual(expected.sort());
    for (const tool of tools) expect(tool.description?.length, tool.name).toBeGreaterThan(10);
  });

  test.each(entities)('of $many each do their work on real rows', async ({ one, many, create, change, action }) => {
    const { client } = first.session;
    const parent = (await callTool(client, 'create_note', { title: 'Parent' }))['uid'];
    const room = (await callTool(client, 'create_chat', { title: 'Room' }))['uid'];
    const refers = { comment: { parentType: 'note', parentUid: parent }, chat_message: { chatUid: room } }[one as string] ?? {};
    const created = await callTool(client, `create_${one}`, { ...create, ...refers });
    const { uid } = created;
    expect(created).toMatchObject({
      version: 1,
      createdBy: first.member.userId,
      updatedBy: first.member.userId,
      payload: { ...create, ...refers },
    });
    expect(await callTool(client, `get_${one}`, { uid })).toEqual(created);
    const list = (await callTool(client, `list_${many}`, {})) as { items: { uid: string }[] };
    expect(list.items.map((item) => item.uid)).toContain(uid);
    expect(await callTool(client, `update_${one}`, { uid, ...create, ...refers, ...change })).toMatchObject({
      version: 2,
      payload: change,
    });
    expect(await callTool(client, `patch_${one}`, { uid, extra: 'kept' })).toMatchObject({
      version: 3,
      payload: { ...change, extra: 'kept' },
    });
    expect(await callTool(client, `process_${one}`, { uid, action })).toMatchObject({ version: 4 });
    expect(await callTool(client, `archive_${one}`, { uid })).toMatchObject({ archivedAt: expect.any(String) });
    await callTool(client, `delete_${one}`, { uid });
    const after = await client.callTool({ name: `get_${one}`, arguments: { uid } });
    expect(after.isError).toBe(true);
    expect(await callTool(client, `get_${one}`, { uid, includeDeleted: true })).toMatchObject({ deletedAt: expect.any(String) });
  });

  test('can also be reached with an API key, whose rows say so', async () => {
    const client = await connectWithToken(mcpOf(first.tenant), first.apiKey);
    const note = await callTool(client, 'create_note', { title: 'By a machine' });
    expect(note['createdBy']).toBe(`key:${first.apiKey.split('_')[1]}`);
    await client.close();
  });

  test('can be reached by a program of the customer, with a token of WorkOS for machines', async () => {
    const token = await world.machineToken(first.organizationId, ['mcp']);
    const client = await connectWithToken(mcpOf(first.tenant), token);
    expect((await callTool(client, 'create_note', { title: 'By a program' }))['createdBy']).toMatch(/^client_/);
    await client.close();
    expect(await statusWith(mcpOf(second.tenant), token)).toBe(403);
    expect(await statusWith(mcpOf(first.tenant), await world.machineToken(first.organizationId, ['api']))).toBe(403);
  });

  test('stand on the REST API, which is published with an audience of its own', async () => {
    const api = first.tenant.status?.endpoints?.api ?? '';
    await callTool(first.session.client, 'create_note', { title: 'For the list' });
    const byKey = await fetch(`${api}/v1/notes?limit=1`, { headers: { authorization: `Bearer ${first.apiKey}` } });
    expect(byKey.status).toBe(200);
    expect(((await byKey.json()) as { items: unknown[] }).items).toHaveLength(1);
    const byMcpToken = await fetch(`${api}/v1/notes`, { headers: { authorization: `Bearer ${first.session.accessToken}` } });
    expect(byMcpToken.status).toBe(401);
    expect((await fetch(`${api}/v1/notes`)).status).toBe(401);
    for (const path of ['/metrics', '/healthz', '/../mcp', '/%2e%2e/metrics', '//metrics']) {
      const response = await fetch(`${api}${path}`, { headers: { authorization: `Bearer ${first.apiKey}` } });
      expect(response.status, path).toBeGreaterThanOrEqual(400);
    }
  });
});

describe('one tenant keeps another out', () => {
  test('by token and by API key', async () => {
    expect(await statusWith(mcpOf(first.tenant), first.session.accessToken)).toBe(200);
    expect(await statusWith(mcpOf(second.tenant), first.session.accessToken)).toBe(401);
    expect(await statusWith(mcpOf(first.tenant), second.session.accessToken)).toBe(401);
    expect(await statusWith(mcpOf(second.tenant), first.apiKey)).toBe(401);
    expect(await statusWith(mcpOf(first.tenant))).toBe(401);
  });

  test('even somebody who signs in for it without being a member', async () => {
    await expect(signIn(mcpOf(second.tenant), first.member)).rejects.toThrow();
    const stranger = await world.organization('strangers');
    await expect(signIn(mcpOf(first.tenant), stranger.member)).rejects.toThrow();
  });

  test('by database password', async () => {
    const { url = '' } = await world.secret(first.name, 'tenantry-database');
    const theirs = databaseNames(second.tenant.metadata.uid ?? '').database;
    const foreign = new URL(url);
    foreign.pathname = `/${theirs}`;
    const connection = new pg.Client({ connectionString: foreign.href });
    await expect(connection.connect()).rejects.toThrow(/permission denied for database/);
    // One connection held to a template would keep every other tenant from getting a database.
    for (const shared of ['postgres', 'template1']) {
      foreign.pathname = `/${shared}`;
      await expect(new pg.Client({ connectionString: foreign.href }).connect(), shared).rejects.toThrow(/permission denied for database/);
    }
    const own = new pg.Client({ connectionString: url });
    await own.connect();
    const { rows } = await own.query('SELECT count(*)::int AS notes FROM pg_tables WHERE schemaname = current_schema()');
    expect(rows[0].notes).toBeGreaterThan(0);
    await own.end();
  });

  test('and shows none of its rows', async () => {
    const secretTitle = `only ${first.name}`;
    await callTool(first.session.client, 'create_note', { title: secretTitle });
    const theirs = JSON.stringify(await callTool(second.session.client, 'list_notes', {}));
    expect(theirs).not.toContain(secretTitle);
  });
});

interface Pod extends KubeObject {
  readonly spec: { readonly initContainers?: readonly { name: string }[]; readonly containers: readonly { name: string }[] };
}

describe('nothing secret is said', () => {
  test('in any log, status, Event or process list', async () => {
    const secrets = await Promise.all(
      [first, second].flatMap(({ name }) => ['tenantry-credentials', 'tenantry-database'].map((secret) => world.secret(name, secret))),
    );
    const values = [
      ...secrets.flatMap((secret) => ['apiKey', 'probeKey', 'password', 'url'].flatMap((key) => secret[key] ?? [])),
      world.context.adminToken,
      world.context.workos.apiKey,
      first.session.accessToken,
      second.session.accessToken,
    ];
    expect(values.length).toBeGreaterThanOrEqual(12);
    const files = logFiles(world.context.folder);
    expect(files.length).toBeGreaterThan(8);
    const texts = new Map(files.map((file) => [file, unlessGone(() => readFileSync(file, 'utf8')) ?? '']));
    for (const args of [
      ['get', 'tn', '-o', 'yaml'],
      ['get', 'events', '-A', '-o', 'yaml'],
      ['get', 'pods', '-A', '-o', 'yaml'],
    ]) {
      texts.set(args.join(' '), (await world.kubectl(args)).stdout);
    }
    const { items: pods } = await world.kube.list<Pod>(kinds.Pod, { labelSelector: 'app.kubernetes.io/managed-by=tenantry' });
    for (const { metadata, spec } of pods) {
      for (const { name } of [...(spec.initContainers ?? []), ...spec.containers]) {
        const logs = await world.kubectl(['logs', '-n', metadata.namespace ?? '', metadata.name, '-c', name]);
        texts.set(`log of ${metadata.name}/${name}`, logs.stdout);
      }
    }
    // A curl shows what its user typed, as those do that try the README at the same time.
    const commands = readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .map((pid) => unlessGone(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '')
      .filter((command) => !/^(\S*\/)?(curl|bash)\0/.test(command));
    expect(commands.some((command) => command.includes('kube-apiserver'))).toBe(true);
    texts.set('process list', commands.join('\n'));
    for (const [where, text] of texts) {
      for (const value of values) expect(text.includes(value), where).toBe(false);
    }
  });
});

describe('deletion', () => {
  test('by kubectl leaves no namespace, database, role, OAuth resource or route', async () => {
    const made = await newCustomer(world, viaKubectl);
    const uid = made.tenant.metadata.uid ?? '';
    const urls = [mcpOf(made.tenant), made.tenant.status?.endpoints?.api ?? ''];
    expect(await world.oauthResources()).toEqual(expect.arrayContaining(urls));
    // Another tenant may grant rights in its own database to this one's roles; that must not hold the deletion up.
    const names = databaseNames(uid);
    const theirs = databaseNames(second.tenant.metadata.uid ?? '').database;
    await world.query(`GRANT CONNECT ON DATABASE ${theirs} TO ${names.owner}, ${names.login}`);
    expect((await world.kubectl(['delete', 'tn', made.name])).code).toBe(0);
    expect(await world.kube.find(kinds.Namespace, namespaceOf(made.name))).toBeUndefined();
    expect(await world.query('SELECT datname FROM pg_database WHERE datname = $1', [names.database])).toEqual([]);
    expect(await world.query('SELECT rolname FROM pg_roles WHERE rolname = ANY($1)', [[names.owner, names.login]])).toEqual([]);
    const left = await world.oauthResources();
    for (const url of urls) expect(left).not.toContain(url);
    expect(await statusWith(mcpOf(made.tenant), made.apiKey)).toBe(404);
  });

  test('keeps the data unless it says otherwise, with nobody able to log in', async () => {
    const name = world.name('kept');
    await world.kubectl(['apply', '-f', '-'], manifest(name, {}));
    const tenant = await world.ready(name);
    const { url = '' } = await world.secret(name, 'tenantry-database');
    await world.remove(name);
    const { database, owner, login } = databaseNames(tenant.metadata.uid ?? '');
    expect(await world.query('SELECT datname FROM pg_database WHERE datname = $1', [database])).toHaveLength(1);
    await expect(new pg.Client({ connectionString: url }).connect()).rejects.toThrow();
    await world.query(`DROP DATABASE ${database}`);
    await world.query(`DROP ROLE ${login}`);
    await world.query(`DROP ROLE ${owner}`);
  });
});
