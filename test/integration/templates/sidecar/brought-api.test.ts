/** The sidecar in front of an API that knows nothing of Tenantry. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Client } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../../eventually.ts';
import { ControlPlanePeer, Stack } from '../stack.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Its document is of OpenAPI 3.0, with what 3.0 says differently. */
const document = {
  openapi: '3.0.3',
  info: { title: 'Shop', version: '7.1', description: 'Orders of a shop.' },
  servers: [{ url: 'https://shop.example/v2' }],
  paths: {
    '/orders/{order id}': {
      parameters: [{ $ref: '#/components/parameters/order' }],
      put: {
        operationId: 'orders.replace',
        summary: 'Replace an order',
        parameters: [
          { name: 'id', in: 'query', schema: { type: 'string' } },
          { name: 'tags', in: 'query', schema: { type: 'array', items: { type: 'string' } } },
          { name: 'filter', in: 'query', style: 'deepObject', schema: { type: 'object' } },
          { name: 'X-Shop-Key', in: 'header', schema: { type: 'string' } },
          { name: 'X-Priority', in: 'header', schema: { type: 'integer' } },
        ],
        requestBody: { required: true, content: { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } } },
        responses: {},
      },
    },
    '/slow': { get: { operationId: 'slow', responses: {} } },
    '/big': { get: { operationId: 'big', responses: {} } },
    '/list': { get: { operationId: 'list', responses: {} } },
    '/nothing': { delete: { responses: {} } },
    '/failing': { get: { operationId: 'failing', responses: {} } },
  },
  components: {
    parameters: { order: { name: 'order id', in: 'path', required: true, schema: { type: 'string' } } },
    schemas: {
      Order: {
        type: 'object',
        required: ['id', 'note', 'createdAt'],
        properties: {
          id: { type: 'integer' },
          note: { type: 'string', nullable: true },
          createdAt: { type: 'string', readOnly: true },
          parts: { type: 'array', items: { $ref: '#/components/schemas/Order' } },
        },
        additionalProperties: false,
      },
    },
  },
};

let controlPlane: ControlPlanePeer;
let stack: Stack;
let server: Server;
let shown: object;
let seen: Seen[];
let client: Client;
let release: () => void;

beforeEach(async () => {
  shown = document;
  seen = [];
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  server = createServer((request, response) => void answer(request, response, held));
  controlPlane = await ControlPlanePeer.start();
  stack = await Stack.prepare({
    databaseUrl: '',
    controlPlane,
    organization: false,
    mcp: { TENANTRY_UPSTREAM_AUTH: 'static', TENANTRY_UPSTREAM_AUTH_HEADER: 'X-Shop-Key' },
  });
  await writeFile(stack.file('secret'), 'shop-secret\n');
  const key = await stack.addKey(['mcp', 'api']);
  stack.startMcp({ TENANTRY_UPSTREAM_AUTH_SECRET_FILE: stack.file('secret'), TENANTRY_OPENAPI_PATH: '/docs/api.json' });
  await eventually('sidecar answers', async () => (await fetch(`${stack.sidecarOrigin}/healthz`)).ok);
  expect((await fetch(`${stack.sidecarOrigin}/readyz`)).status).toBe(503);
  const early = await fetch(stack.mcpUrl, { method: 'POST', headers: { authorization: `Bearer ${key}` } });
  expect(early.status).toBe(503);
  expect(early.headers.get('retry-after')).toBe('2');
  server.listen(8081, stack.address);
  await once(server, 'listening');
  await eventually('sidecar ready', async () => (await fetch(`${stack.sidecarOrigin}/readyz`)).ok);
  client = await stack.connect(key);
});

afterEach(async () => {
  release?.();
  await client?.close().catch(() => {});
  await stack?.stop();
  await controlPlane?.close();
  server?.closeAllConnections();
  server?.close();
});

async function answer(request: IncomingMessage, response: ServerResponse, held: Promise<void>): Promise<void> {
  const send = (status: number, body: unknown, type = 'application/json') => {
    response.writeHead(status, { 'content-type': type, 'set-cookie': 'session=1' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  if (request.headers['x-shop-key'] !== 'shop-secret') return send(401, 'who are you?', 'text/plain');
  if (request.url === '/docs/api.json') return send(200, shown);
  seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: await text(request) });
  switch (request.url) {
    case '/v2/slow':
      await held;
      return send(200, { slow: true });
    case '/v2/big':
      return send(200, { big: 'x'.repeat(5 * 1024 * 1024) });
    case '/v2/list':
      return send(200, [1, 2]);
    case '/v2/nothing':
      response.writeHead(204);
      response.end();
      return;
    case '/v2/failing':
      return send(500, '<html>stack trace</html>', 'text/html');
    default:
      return send(200, { ok: true });
  }
}

async function call(name: string, args: Record<string, unknown> = {}) {
  const result = await client.callTool({ name, arguments: args });
  const [content] = result.content as { text: string }[];
  return { isError: result.isError === true, text: content?.text ?? '', data: result.structuredContent };
}

it('makes tools of it: names settled, parameters and body side by side, read-only left out', async () => {
  const { tools } = await client.listTools();
  expect(tools.map((tool) => tool.name)).toEqual(['orders_replace', 'slow', 'big', 'list', 'delete_nothing', 'failing']);
  const replace = tools[0]?.inputSchema as { properties: Record<string, unknown>; required: string[] };
  expect(Object.keys(replace.properties)).toEqual(['order_id', 'id', 'tags', 'filter', 'xPriority', 'body_id', 'note', 'parts']);
  expect(replace.required).toEqual(['order_id', 'body_id', 'note']);
  expect(client.getServerVersion()).toMatchObject({ version: '7.1' });
  expect(client.getInstructions()).toBe('Orders of a shop.');
});

it('calls it with its own secret and each argument in its place', async () => {
  const result = await call('orders_replace', {
    order_id: 'a/b ..',
    id: 'q&1',
    tags: ['x', 'y z'],
    filter: { state: 'open' },
    xPriority: 3,
    body_id: 5,
    note: null,
    parts: [{ id: 6, note: 'part' }],
  });
  expect(result.data).toEqual({ ok: true });
  const [request] = seen;
  expect(request?.method).toBe('PUT');
  expect(request?.url).toBe('/v2/orders/a%2Fb%20..?id=q%261&tags=x&tags=y%20z&filter%5Bstate%5D=open');
  expect(request?.headers).toMatchObject({ 'x-shop-key': 'shop-secret', 'x-priority': '3', 'content-type': 'application/json' });
  expect(request?.headers['authorization']).toBeUndefined();
  expect(JSON.parse(request?.body ?? '')).toEqual({ id: 5, note: null, parts: [{ id: 6, note: 'part' }] });
});

it('checks recursive bodies and refuses path tricks before calling', async () => {
  const recursive = await call('orders_replace', { order_id: '1', body_id: 1, note: 'x', parts: [{ id: 'y', note: 'z' }] });
  expect(recursive.text).toContain('parts.0.id must be integer');
  for (const order_id of ['..', '.', '']) {
    expect(await call('orders_replace', { order_id, body_id: 1, note: 'x' })).toMatchObject({ isError: true });
  }
  expect(seen).toEqual([]);
});

it('shows answers of every kind', async () => {
  expect(await call('list')).toMatchObject({ isError: false, text: '[1,2]', data: undefined });
  expect(await call('delete_nothing')).toMatchObject({ isError: false, text: 'Done (204).' });
  expect(await call('failing')).toMatchObject({ isError: true, text: '500: <html>stack trace</html>' });
  expect(await call('big')).toMatchObject({ isError: true, text: expect.stringContaining('larger than 4 MiB') });
});

it('takes up a changed document without a restart and tells subscribers', async () => {
  let told = false;
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    told = true;
  });
  const subscription = await client.listen({ toolsListChanged: true });
  shown = { ...document, paths: { '/list': document.paths['/list'] } };
  await eventually('other tools', async () => (await client.listTools()).tools.length === 1);
  await eventually('notification', async () => told);
  await subscription.close();
});

it('keeps its tools when the document breaks', async () => {
  shown = { swagger: '2.0' };
  await eventually('warning', async () => stack.mcp?.output.includes('OpenAPI 3.x'));
  expect((await client.listTools()).tools).toHaveLength(6);
});

it('ends a call that nobody waits for, and records it', async () => {
  const impatient = new AbortController();
  const running = client.callTool({ name: 'slow', arguments: {} }, { signal: impatient.signal });
  await eventually('call has arrived', async () => seen.some(({ url }) => url === '/v2/slow'));
  impatient.abort();
  await expect(running).rejects.toThrow();
  await eventually('its record', async () => [...controlPlane.records.values()].some(({ outcome }) => outcome === 'cancelled'));
  expect(stack.mcp?.output).not.toContain('API not reached');
});

it('finishes a running call when it is told to stop, takes no new one, and exits with 0', async () => {
  const running = call('slow');
  await eventually('call has arrived', async () => seen.some(({ url }) => url === '/v2/slow'));
  const exited = stack.mcp?.stop();
  await eventually('no new connections', async () => {
    const refused = await fetch(`${stack.sidecarOrigin}/healthz`, { headers: { connection: 'close' } }).catch(() => 'refused');
    return refused === 'refused';
  });
  release();
  expect((await running).data).toEqual({ slow: true });
  expect(await exited).toBe(0);
});

it('publishes it without cookies', async () => {
  const key = await stack.addKey(['api']);
  const listed = await eventually('key is known', async () => {
    const response = await fetch(`${stack.apiUrl}/v2/list`, { headers: { 'x-api-key': key, cookie: 'console=secret' } });
    return response.ok && response;
  });
  expect(listed.headers.get('set-cookie')).toBeNull();
  const request = seen.at(-1);
  expect(request?.headers).toMatchObject({ 'x-shop-key': 'shop-secret' });
  expect(request?.headers['cookie']).toBeUndefined();
  expect(request?.headers['x-api-key']).toBeUndefined();
});
