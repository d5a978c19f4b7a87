import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../eventually.ts';
import { ControlPlanePeer, type Databases, openDatabases, Stack } from '../stack.ts';

let controlPlane: ControlPlanePeer;
beforeAll(async () => {
  controlPlane = await ControlPlanePeer.start();
});
afterAll(async () => {
  await controlPlane?.close();
});

describe('an API of ours with services switched off', () => {
  const TENANTRY_SERVICES = JSON.stringify({ notes: true, tasks: false, comments: true, chats: false, unheard: false });
  let databases: Databases;
  let stack: Stack;
  let key: string;

  beforeAll(async () => {
    databases = openDatabases();
    stack = await Stack.start({
      databaseUrl: await databases.createDatabase('acme'),
      controlPlane,
      organization: false,
      api: { TENANTRY_SERVICES },
      mcp: { TENANTRY_SERVICES, TENANTRY_SERVICE_TAGS: '{"notes":["notes"]}', TENANTRY_TOOLS: '{"deny":["delete_*"]}' },
    });
    key = await stack.addKey(['mcp', 'api']);
    await eventually('key is known', async () => (await api('GET', '/v1/notes')).ok);
  });
  afterAll(async () => {
    await stack?.stop();
    await databases?.remove();
  });

  async function api(method: string, path: string, body?: object): Promise<Response> {
    return await fetch(stack.apiUrl + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  }

  it('has their paths neither for callers nor in its document', async () => {
    for (const path of ['/v1/tasks', `/v1/tasks/${crypto.randomUUID()}`, '/v1/chats', '/v1/chat_messages']) {
      expect((await api('GET', path)).status, path).toBe(404);
    }
    expect((await api('POST', '/v1/tasks', { title: 'a' })).status).toBe(404);
    const document = (await (await api('GET', '/openapi.json')).json()) as { paths: object; tags: object[] };
    expect(Object.keys(document.paths).map((path) => path.split('/')[2])).not.toContain('tasks');
    expect(document.tags).toEqual([{ name: 'notes' }, { name: 'comments' }]);
  });

  it('serves the others, and refers to nothing that is off', async () => {
    const note = (await (await api('POST', '/v1/notes', { title: 'a' })).json()) as { uid: string };
    const comment = (parentType: string) => api('POST', '/v1/comments', { content: 'c', parentType, parentUid: note.uid });
    expect((await comment('note')).status).toBe(201);
    expect((await comment('task')).status).toBe(422);
  });

  it('offers the tools that are left, and says of a withheld one why', async () => {
    const client = await stack.connect(key);
    const { tools } = await client.listTools();
    expect(tools).toHaveLength(14);
    expect(tools.every(({ name }) => /note|comment/.test(name) && !name.startsWith('delete_'))).toBe(true);
    expect(tools.find(({ name }) => name === 'get_note')?._meta).toEqual({ 'tenantry.dev/tags': ['notes'] });
    await expect(client.callTool({ name: 'delete_note', arguments: { uid: crypto.randomUUID() } })).rejects.toThrow(
      'The tool "delete_note" is not offered to this tenant.',
    );
    await eventually('it is recorded', async () => [...controlPlane.records.values()].some(({ outcome }) => outcome === 'not_offered'));
    await client.close();
  });
});

describe('an API that knows nothing of services', () => {
  const document = {
    openapi: '3.1.0',
    info: { title: 'Shop', version: '1' },
    servers: [{ url: '/v2' }],
    paths: {
      '/orders': { get: { operationId: 'list_orders', tags: ['Orders'] } },
      '/refunds': { get: { operationId: 'list_refunds', tags: ['Refunds'] }, post: { operationId: 'refund', tags: ['Refunds'] } },
      '/orders/{id}': {
        get: { operationId: 'get_order', tags: ['Orders'] },
        delete: { operationId: 'cancel', tags: ['Orders', 'Refunds'] },
      },
    },
  };
  let server: Server;
  let stack: Stack;
  let key: string;
  const seen: string[] = [];

  beforeAll(async () => {
    stack = await Stack.prepare({
      databaseUrl: '',
      controlPlane,
      organization: false,
      mcp: {
        TENANTRY_UPSTREAM_AUTH: 'none',
        TENANTRY_SERVICES: '{"money-back":false,"orders":true}',
        TENANTRY_SERVICE_TAGS: '{"money-back":["Refunds"],"orders":["Orders"]}',
      },
    });
    key = await stack.addKey(['mcp', 'api']);
    stack.startMcp();
    await eventually('sidecar answers', async () => (await fetch(`${stack.sidecarOrigin}/healthz`)).ok);
  });
  afterAll(async () => {
    await stack?.stop();
    server?.closeAllConnections();
    server?.close();
  });

  const api = async (method: string, path: string) =>
    (await fetch(stack.apiUrl + path, { method, headers: { authorization: `Bearer ${key}` } })).status;

  it('is closed until it is known what is off', async () => {
    expect(await api('GET', '/v2/orders')).toBe(503);
    server = createServer((request, response) => {
      if (request.url !== '/openapi.json') seen.push(`${request.method} ${request.url}`);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(request.url === '/openapi.json' ? document : { served: request.url }));
    });
    server.listen(8081, stack.address);
    await once(server, 'listening');
    await eventually('ready', async () => (await fetch(`${stack.sidecarOrigin}/readyz`)).ok);
    expect(await api('GET', '/v2/orders')).toBe(200);
  });

  it('is reached at what is on alone', async () => {
    seen.length = 0;
    for (const [method, path] of [
      ['GET', '/v2/refunds'],
      ['POST', '/v2/refunds'],
      ['PUT', '/v2/refunds/'],
      ['GET', '/V2/Refunds'],
      ['GET', '/v2/%72efunds?limit=1'],
      ['DELETE', '/v2/orders/7'],
    ] as const) {
      expect(await api(method, path), `${method} ${path}`).toBe(404);
    }
    expect(seen).toEqual([]);
    expect(await api('GET', '/v2/orders/7')).toBe(200);
    expect(await api('GET', '/v2/undocumented')).toBe(200);
    expect(seen).toEqual(['GET /v2/orders/7', 'GET /v2/undocumented']);
  });

  it('has the tools of what is on', async () => {
    const client = await stack.connect(key);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['list_orders', 'get_order']);
    await expect(client.callTool({ name: 'refund', arguments: {} })).rejects.toThrow(/service "money-back", which is switched off/);
    expect((await client.callTool({ name: 'get_order', arguments: { id: '7' } })).structuredContent).toEqual({ served: '/v2/orders/7' });
    await client.close();
  });
});
