import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { KubeClient } from '../../../../kube/client.ts';
import { type KubeObject, kinds } from '../../../../kube/resources.ts';

/** The router in front of real pods, on the shared cluster. */

const namespace = `router-${process.pid}`;
const base = `/${namespace}`;
let client: KubeClient;

async function until<T>(look: () => Promise<T | undefined | false>, deadlineMs = 30_000): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs / 1000} s: ${look.toString()}`);
    await delay(50);
  }
}

const program = `
  const http = require('node:http');
  http.createServer((request, response) => {
    const path = request.url.split('?')[0];
    if (path.endsWith('/echo')) {
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify({ url: request.url, headers: request.headers, pod: process.env.POD_IP }));
    }
    if (path.endsWith('/stream')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      request.on('data', (chunk) => response.write('data: ' + chunk + '\\n\\n'));
      return request.on('end', () => response.end());
    }
    if (path.endsWith('/refuse')) { response.writeHead(413); return response.end('too large'); }
    if (path.endsWith('/break')) return request.socket.destroy();
    if (path.endsWith('/half')) { response.writeHead(200, { 'content-length': 100 }); response.write('half'); return setTimeout(() => request.socket.destroy(), 50); }
    if (path.endsWith('/unready')) { globalThis.unready = true; return response.end(); }
    if (path === '/readyz') { response.statusCode = globalThis.unready ? 503 : 200; return response.end(); }
    response.statusCode = 418;
    response.end();
  }).listen(8001, process.env.POD_IP);`;

const objects: [(typeof kinds)[keyof typeof kinds], KubeObject & { spec: object }][] = [
  [
    kinds.Deployment,
    {
      metadata: { name: 'web', namespace },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: {
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: 'main',
                image: 'none',
                command: [process.execPath, '-e', program],
                env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
                ports: [{ name: 'http', containerPort: 8001 }],
                readinessProbe: { httpGet: { path: '/readyz', port: 8001 }, periodSeconds: 1, failureThreshold: 1 },
              },
            ],
          },
        },
      },
    },
  ],
  [kinds.Service, { metadata: { name: 'web', namespace }, spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] } }],
  [
    kinds.Ingress,
    {
      metadata: { name: 'web', namespace },
      spec: {
        ingressClassName: 'tenantry-local',
        rules: [
          {
            http: {
              paths: [
                { path: base, pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } },
                { path: `${base}/nobody`, pathType: 'Prefix', backend: { service: { name: 'nobody', port: { number: 80 } } } },
              ],
            },
          },
        ],
      },
    },
  ],
];

beforeAll(async () => {
  client = KubeClient.fromConfig({ kubeconfig: inject('tenantry').kubeconfig });
  await client.create(kinds.Namespace, { metadata: { name: namespace } });
  await until(() => client.find(kinds.ServiceAccount, 'default', { namespace }));
  for (const [resource, object] of objects) await client.create(resource, object);
  await until(async () => {
    const { status } = await client.get<KubeObject & { status?: { readyReplicas?: number } }>(kinds.Deployment, 'web', { namespace });
    return status?.readyReplicas === 2;
  });
  await until(async () => (await fetch(url('/echo'))).ok);
});

afterAll(async () => {
  await client.delete(kinds.Namespace, namespace);
  await client.close();
});

const url = (path: string) => `${inject('tenantry').routerUrl}${base}${path}`;
const echo = async (init: RequestInit = {}, query = '') =>
  (await (await fetch(url(`/echo${query}`), init)).json()) as { url: string; headers: Record<string, string>; pod: string };

describe('a routed request', () => {
  it('arrives with the path as it stands', async () => {
    expect((await echo({}, '?a=%2F..&b=/../c')).url).toBe(`${base}/echo?a=%2F..&b=/../c`);
  });

  it('says who asked and by which host, whatever the client claims', async () => {
    const { headers } = await echo({
      headers: { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.test' },
    });
    expect(headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' });
    expect(headers['x-forwarded-host']).toBe(headers['host']);
    expect(headers['host']).toBe(new URL(inject('tenantry').routerUrl).host);
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('keeps a request id that is harmless, and only such a one', async () => {
    expect((await echo({ headers: { 'x-request-id': 'abc-1' } })).headers['x-request-id']).toBe('abc-1');
    expect((await echo({ headers: { 'x-request-id': 'a b;c' } })).headers['x-request-id']).not.toBe('a b;c');
  });

  it('goes to each ready pod in turn', async () => {
    const pods = await Promise.all(Array.from({ length: 8 }, () => echo()));
    expect(new Set(pods.map(({ pod }) => pod)).size).toBe(2);
  });

  it('streams both ways, without waiting for the end of either', async () => {
    const answer = Promise.withResolvers<import('node:http').IncomingMessage>();
    const asking = request(url('/stream'), { method: 'POST' }, answer.resolve);
    asking.write('one');
    const response = await answer.promise;
    const heard: string[] = [];
    const next = async () => {
      const event = await new Promise<Buffer>((resolve) => response.once('data', resolve));
      heard.push(event.toString().trim());
    };
    await next();
    const second = next();
    asking.write('two');
    await second;
    expect(heard).toEqual(['data: one', 'data: two']);
    const ended = new Promise((resolve) => response.once('end', resolve));
    response.resume();
    asking.end();
    await ended;
  });
});

describe('a request that cannot be served', () => {
  it('keeps its connection when the pod refuses a body without reading it', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<object>();
    const send = (path: string, body: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sending = request(url(path), { method: 'POST', agent, headers: { 'content-length': body.length } }, (response) => {
          response.resume().once('end', () => resolve(response.statusCode));
        });
        sending.once('error', reject);
        sending.once('socket', (socket) => sockets.add(socket));
        sending.end(body);
      });
    for (let n = 0; n < 10; n++) {
      expect(await send('/refuse', 'y'.repeat(2_000_000))).toBe(413);
      expect(await send('/echo', 'next')).toBe(200);
    }
    expect(sockets.size).toBe(1);
    agent.destroy();
  });

  it('is 404 without a route', async () => {
    const response = await fetch(`${inject('tenantry').routerUrl}${base}-other/echo`);
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });

  it('is 503 and worth another try without a ready pod', async () => {
    const response = await fetch(url('/nobody/x'));
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
  });

  it('is 502 when the pod breaks off before it answers', async () => {
    expect((await fetch(url('/break'), { method: 'POST', body: 'x' })).status).toBe(502);
  });

  it('looks broken when the pod breaks off within its answer', async () => {
    const response = await fetch(url('/half'));
    await expect(response.text()).rejects.toThrow();
  });

  it('is 400 when its path could be read in two ways', async () => {
    const { hostname, port } = new URL(inject('tenantry').routerUrl);
    const raw = (target: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ host: hostname, port: Number(port) });
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('end', () => resolve(text.split('\r\n')[0] ?? ''));
        socket.on('error', reject);
        socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      });
    for (const target of [`${base}/../x`, `${base}/%2e%2e/x`, `/${base}/echo`, `${base}%2fecho`]) {
      expect(await raw(target), target).toBe('HTTP/1.1 400 Bad Request');
    }
    expect(await raw(`${base}/echo`)).toBe('HTTP/1.1 200 OK');
  });
});

describe('the router', () => {
  it('writes its address into the Ingress', async () => {
    const { status } = await client.get<KubeObject & { status: unknown }>(kinds.Ingress, 'web', { namespace });
    expect(status).toEqual({ loadBalancer: { ingress: [{ hostname: 'localhost' }] } });
  });

  it('leaves a pod that is not ready out, and never fails a request over one that goes', async () => {
    const { pod } = await echo();
    await until(async () => {
      const target = await echo();
      if (target.pod !== pod) return false;
      // Asked in turn, so this one reaches the other pod; the next reaches the first again.
      await echo();
      await fetch(url('/unready'));
      return true;
    });
    await until(async () => {
      const pods = await Promise.all(Array.from({ length: 6 }, () => echo()));
      return new Set(pods.map((answer) => answer.pod)).size === 1;
    });
    const failures: number[] = [];
    const { items } = await client.list(kinds.Pod, { namespace, labelSelector: 'app=web' });
    for (const item of items) await client.delete(kinds.Pod, item.metadata.name, { namespace });
    await until(async () => {
      const response = await fetch(url('/echo'));
      await response.arrayBuffer();
      // While both are gone there is nobody to ask; nothing else may go wrong.
      if (response.status !== 200 && response.status !== 503) failures.push(response.status);
      const { status } = await client.get<KubeObject & { status?: { readyReplicas?: number } }>(kinds.Deployment, 'web', { namespace });
      return response.ok && status?.readyReplicas === 2;
    });
    expect(failures).toEqual([]);
  });
});
