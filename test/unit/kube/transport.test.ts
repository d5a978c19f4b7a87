import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Transport, type TransportOptions } from '../../../kube/transport.ts';

const open: Server[] = [];

afterEach(() => {
  vi.useRealTimers();
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

const ok: Handle = (_request, response) => response.end('{"done":true}');

/** A transport to a server, whose requests are kept, and the kubeconfig that it reads. */
async function connect(handle: Handle = ok, options: TransportOptions = {}, user: object = { token: 'first' }) {
  const requests: IncomingMessage[] = [];
  const sockets = new Set<unknown>();
  const server = createServer((request, response) => {
    requests.push(request);
    sockets.add(request.socket);
    handle(request, response);
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = configOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, user);
  const last = (): IncomingMessage => requests.at(-1) ?? expect.unreachable('no request');
  return { config, transport: new Transport(config, options), requests, sockets, last };
}

function configOf(server: string, user: object = {}, cluster: object = { skipTLSVerify: true }): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server, ...cluster }],
    users: [{ name: 'u', ...user }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return config;
}

const get = { method: 'GET', path: '/version' } as const;

describe('a request', () => {
  test('has path, query and headers', async () => {
    const { transport, last } = await connect();
    expect(await transport.json({ ...get, query: { watch: true, limit: 0, fieldManager: undefined, selector: 'a=b' } })).toEqual({
      done: true,
    });
    expect(last().url).toBe('/version?watch=true&limit=0&selector=a%3Db');
    expect(last().headers).toMatchObject({ accept: 'application/json', 'user-agent': 'tenantry', authorization: 'Bearer first' });
    expect(last().headers).not.toHaveProperty('content-type');
  });

  test('has its body as JSON', async () => {
    const bodies: string[] = [];
    const { transport, last } = await connect((request, response) => {
      let body = '';
      request
        .on('data', (chunk) => (body += chunk))
        .on('end', () => {
          bodies.push(body);
          response.end('{}');
        });
    });
    await transport.json({ method: 'POST', path: '/x', body: { a: 1 } });
    expect(last().headers['content-type']).toBe('application/json');
    await transport.json({ method: 'PATCH', path: '/x', body: [], contentType: 'application/merge-patch+json', accept: 'text/plain' });
    expect(last().headers).toMatchObject({ 'content-type': 'application/merge-patch+json', accept: 'text/plain' });
    expect(bodies).toEqual(['{"a":1}', '[]']);
  });

  test('goes to the path below that of the server, with its own user agent', async () => {
    const { config, last } = await connect();
    const server = config.getCurrentCluster()?.server ?? '';
    await new Transport(configOf(`${server}/proxied/`), { userAgent: 'tenantry-test' }).json(get);
    expect([last().url, last().headers['user-agent']]).toEqual(['/proxied/version', 'tenantry-test']);
  });

  test('is observed with its status, 0 where there was no answer', async () => {
    const seen: unknown[] = [];
    const onRequest = (...request: unknown[]): void => void seen.push(request);
    const { transport } = await connect(
      (request, response) => {
        if (request.method === 'DELETE') request.socket.destroy();
        else response.writeHead(request.method === 'GET' ? 200 : 409).end('{}');
      },
      { onRequest },
    );
    await transport.json(get);
    await expect(transport.json({ method: 'PUT', path: '/x', body: {} })).rejects.toMatchObject({ status: 409 });
    await expect(transport.json({ method: 'DELETE', path: '/x' })).rejects.toMatchObject({ status: 0, reason: 'Unreachable' });
    expect(seen).toEqual([
      ['GET', 200],
      ['PUT', 409],
      ['DELETE', 0],
    ]);
  });

  test.each([
    [399, true],
    [400, false],
  ])('with the status %i succeeds: %s', async (status, succeeds) => {
    const { transport } = await connect((_request, response) => response.writeHead(status).end('{"reason":"Any"}'));
    const asked = transport.json(get);
    await (succeeds ? expect(asked).resolves.toEqual({ reason: 'Any' }) : expect(asked).rejects.toMatchObject({ status, reason: 'Any' }));
  });

  test('whose answer is no JSON did not reach the API', async () => {
    const { transport } = await connect((_request, response) => response.end('<html>'));
    await expect(transport.json(get)).rejects.toMatchObject({ status: 0, message: expect.stringContaining('GET /version') });
  });

  test.each([
    ['before the answer', (_request: IncomingMessage, _response: ServerResponse) => {}],
    ['within the answer', (_request: IncomingMessage, response: ServerResponse) => void response.writeHead(200).write('{')],
  ])('that is aborted %s rejects with the reason', async (_name, handle) => {
    const stop = new AbortController();
    const { transport } = await connect((request, response) => {
      handle(request, response);
      setImmediate(() => stop.abort(new Error('stopped')));
    });
    await expect(transport.json({ ...get, signal: stop.signal })).rejects.toThrow('stopped');
  });

  test('gives up when no answer comes in time', async () => {
    const { transport } = await connect(() => {}, { answerMs: 1 });
    await expect(transport.json(get)).rejects.toMatchObject({ status: 0, message: expect.stringContaining('UND_ERR_HEADERS_TIMEOUT') });
  });
});

describe('credentials', () => {
  /** A connection can be used again once the end of its last answer was handled. */
  const free = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  const later = (ms: number): void => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
  };

  test('are read again after twenty seconds, over the same connection', async () => {
    later(0);
    const { config, transport, last, sockets } = await connect();
    await transport.json(get);
    Object.assign(config.users[0] ?? {}, { token: 'second' });
    vi.setSystemTime(Date.now() + 19_999);
    await free();
    await transport.json(get);
    expect(last().headers.authorization).toBe('Bearer first');
    vi.setSystemTime(Date.now() + 1);
    await free();
    await transport.json(get);
    expect(last().headers.authorization).toBe('Bearer second');
    expect(sockets.size).toBe(1);
  });

  test('are read again after the API server refused them', async () => {
    const { config, transport, last } = await connect((request, response) =>
      response.writeHead(request.headers.authorization === 'Bearer second' ? 200 : 401).end('{}'),
    );
    await expect(transport.json(get)).rejects.toMatchObject({ status: 401, reason: 'Unauthorized' });
    Object.assign(config.users[0] ?? {}, { token: 'second' });
    await transport.json(get);
    expect(last().headers.authorization).toBe('Bearer second');
  });

  test.each([403, 500])('are kept after the status %i', async (status) => {
    const { config, transport, last } = await connect((_request, response) => response.writeHead(status).end('{}'));
    await expect(transport.json(get)).rejects.toMatchObject({ status });
    Object.assign(config.users[0] ?? {}, { token: 'second' });
    await expect(transport.json(get)).rejects.toMatchObject({ status });
    expect(last().headers.authorization).toBe('Bearer first');
  });

  test('of other TLS settings need another connection', async () => {
    later(0);
    const { config, transport, sockets } = await connect();
    await transport.json(get);
    config.clusters.splice(0, 1, { ...config.clusters[0], tlsServerName: 'other' } as (typeof config.clusters)[0]);
    vi.setSystemTime(Date.now() + 20_000);
    await transport.json(get);
    expect(sockets.size).toBe(2);
  });

  test('may be a name and a password', async () => {
    const { transport, last } = await connect(ok, {}, { username: 'ann', password: 'pass' });
    await transport.json(get);
    expect(last().headers.authorization).toBe(`Basic ${Buffer.from('ann:pass').toString('base64')}`);
  });
});

describe('a kubeconfig', () => {
  test.each([
    [{ skipTLSVerify: false }, 'http://127.0.0.1:1'],
    [{}, 'http://127.0.0.1:1'],
  ])('with %j for %s names no cluster', async (cluster, server) => {
    await expect(new Transport(configOf(server, {}, cluster)).json(get)).rejects.toThrow('no Kubernetes cluster is configured');
  });

  test('without a cluster is told apart from one that cannot be reached', async () => {
    await expect(new Transport(new KubeConfig()).json(get)).rejects.toThrow('no Kubernetes cluster is configured');
    await expect(new Transport(configOf('https://127.0.0.1:1')).json(get)).rejects.toMatchObject({ status: 0 });
  });

  test('with a SOCKS proxy is refused', async () => {
    const config = configOf('https://127.0.0.1:1', {}, { proxyUrl: 'socks5://127.0.0.1:2' });
    await expect(new Transport(config).json(get)).rejects.toThrow('a SOCKS proxy in the kubeconfig');
  });

  test('with another proxy sends requests through it', async () => {
    const connects: (string | undefined)[] = [];
    const proxy = createServer().on('connect', (request, socket) => {
      connects.push(request.url);
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    open.push(proxy);
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await expect(new Transport(configOf('https://api.example:6443', {}, { proxyUrl })).json(get)).rejects.toMatchObject({ status: 0 });
    expect(connects).toEqual(['api.example:6443']);
  });
});

test('a write is checked before it is sent, a read is not', async () => {
  const beforeWrite = (): void => {
    throw new Error('not now');
  };
  const { transport, requests } = await connect(ok, { beforeWrite });
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const)
    await expect(transport.json({ method, path: '/x' })).rejects.toThrow('not now');
  expect(requests).toHaveLength(0);
  expect(await transport.json(get)).toEqual({ done: true });
});

test('a closed transport opens a new connection for the next request', async () => {
  const { transport, sockets } = await connect();
  await transport.json(get);
  await transport.close();
  await transport.json(get);
  expect(sockets.size).toBe(2);
  await transport.close();
});
