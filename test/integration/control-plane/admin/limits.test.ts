import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkosStandIn } from '../../../../local/workos/start.ts';
import { type Cluster, openWorkos, startCluster, startPlane } from '../cluster.ts';
import { KubernetesProxy } from '../kubernetes-proxy.ts';

let cluster: Cluster;
let workos: WorkosStandIn;
let plane: Awaited<ReturnType<typeof startPlane>> & { readonly platform: string };
/** Another replica of `plane`. */
let replica: Awaited<ReturnType<typeof startPlane>>;

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  const platform = workos.createOrganization({ name: 'Platform' }).id;
  const rateLimits = { perAdmin: 10, perAddress: 3 };
  plane = { ...(await startPlane(cluster, workos, { platformOrganizationId: platform, rateLimits })), platform };
  replica = await startPlane(cluster, workos, { platformOrganizationId: platform, rateLimits, replica: 'other' });
});

afterAll(async () => {
  await plane.stop();
  await replica.stop();
  await workos.close();
  await cluster.stop();
});

/** Token of an administrator of its own. */
async function admin(name: string): Promise<string> {
  const organization = workos.createOrganization({ name });
  const user = await workos.createUser({ email: `${name}@example.com`, password: 'a password for tests' });
  workos.createMembership({ userId: user.id, organizationId: organization.id, roleSlug: 'tenant-admin' });
  return workos.adminToken({ userId: user.id, organizationId: organization.id, role: 'tenant-admin', permissions: ['tenants:read'] });
}

/** Token of an administrator of the platform. */
async function writer(organizationId: string): Promise<string> {
  const user = await workos.createUser({ email: `writer-${Math.random()}@example.com`, password: 'a password for tests' });
  workos.createMembership({ userId: user.id, organizationId, roleSlug: 'platform-admin' });
  return workos.adminToken({ userId: user.id, organizationId, role: 'platform-admin', permissions: ['tenants:read', 'tenants:write'] });
}

const list = (token: string, { url }: { readonly url: string } = plane) =>
  fetch(`${url}/admin/tenants`, { headers: { authorization: `Bearer ${token}` } });

describe('the limit of requests a minute', () => {
  test('is separate for each administrator and shown in headers', async () => {
    const [one, other] = [await admin('one'), await admin('other')];
    for (let left = 9; left >= 0; left--) {
      const answer = await list(one);
      expect([answer.status, answer.headers.get('ratelimit-limit'), answer.headers.get('ratelimit-remaining')]).toEqual([
        200,
        '10',
        String(left),
      ]);
    }
    const refused = await list(one);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ type: 'https://tenantry.dev/problems/too-many-requests', status: 429 });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('ratelimit-reset'))).toBeLessThanOrEqual(60);
    expect((await list(other)).status).toBe(200);
  });

  test('two replicas count an administrator together, and refuse the same request', async () => {
    const token = await admin('both');
    for (let left = 9; left >= 0; left--) {
      const answer = await list(token, left % 2 === 0 ? plane : replica);
      expect([answer.status, answer.headers.get('ratelimit-remaining')]).toEqual([200, String(left)]);
    }
    for (const each of [plane, replica]) {
      const refused = await list(token, each);
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await refused.json()).toMatchObject({
        code: 'too-many-requests',
        detail: 'More than 10 requests a minute were sent of yours.',
      });
    }
  });

  test('refuses an address with bad tokens but not its valid tokens', async () => {
    const good = await admin('good');
    expect((await list(good)).status).toBe(200);
    for (const each of [plane, replica, plane]) expect((await list('wrong', each)).status).toBe(401);
    expect((await list('wrong', replica)).status).toBe(429);
    expect((await list(good)).status).toBe(200);
    expect((await list('wrong')).status).toBe(429);
    expect((await fetch(`${plane.url}/healthz`)).status).toBe(200);
  });
});

/** What the server says to bytes that fetch would not send, until it closes the connection. */
function raw(text: string, url = plane.url, then = ''): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setEncoding('utf8');
    socket.once('data', () => then !== '' && socket.write(then));
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('malformed HTTP', () => {
  test.each([
    ['not a request', 'HELO tenantry\r\n\r\n', 400, 'malformed-request'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n', 400, 'malformed-request'],
    [
      'a length and a transfer encoding',
      'POST /admin/tenants HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'malformed-request',
    ],
    ['endless headers', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, 431, 'headers-too-large'],
    ['an endless path', `GET /${'x'.repeat(40_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, 'headers-too-large'],
    ['an unknown method', 'FOO /admin/tenants HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'malformed-request'],
    ['a negative length', 'POST /admin/tenants HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400, 'malformed-request'],
    ['a space before a colon', 'POST /admin/tenants HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n', 400, 'malformed-request'],
    ['line feeds alone', 'GET /healthz HTTP/1.1\nHost: x\n\n', 400, 'malformed-request'],
    ['no Host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed-request'],
    ['two Hosts', 'GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n', 400, 'malformed-request'],
    [
      'two tokens',
      'GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\nConnection: close\r\n\r\n',
      400,
      'malformed-request',
    ],
    ['a path that is not a valid URL', 'GET /admin/tenants/%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 400, 'malformed-request'],
    ['OPTIONS of a path', 'OPTIONS /admin/tenants HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 405, 'method-not-allowed'],
    ['OPTIONS of the server', 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 404, 'route-not-found'],
  ])('answers %s with %i and a problem document', async (_name, text, status, code) => {
    const [head = '', body = ''] = (await raw(text)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head).toContain('content-type: application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ type: `https://tenantry.dev/problems/${code}`, status });
  });

  test('an unknown Expect header is ignored', async () => {
    const answer = await raw('GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: something\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
  });

  test('HEAD returns the headers of GET without a body', async () => {
    const headers = { authorization: `Bearer ${await admin('head')}` };
    const [head, get] = [
      await fetch(`${plane.url}/admin/tenants`, { method: 'HEAD', headers }),
      await fetch(`${plane.url}/admin/tenants`, { headers }),
    ];
    expect([head.status, await head.text(), head.headers.get('etag')]).toEqual([200, '', get.headers.get('etag')]);
    expect(head.headers.get('content-length')).toBe(get.headers.get('content-length'));
    expect((await fetch(`${plane.url}/admin/tenants/nobody`, { method: 'HEAD', headers })).status).toBe(404);
  });

  test('malformed data after a request does not replace its answer', async () => {
    const request = `POST /admin/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${await admin('piped')}\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}`;
    const answer = await raw(`${request}HELO tenantry\r\n\r\n`);
    expect(answer).not.toContain('HTTP/1.1 400');
    // Where the request was answered before, what follows it has an answer of its own.
    const after = await raw('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', plane.url, 'HELO tenantry\r\n\r\n');
    expect(after.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
  });
});

describe('refuses a body that other parsers may read differently', () => {
  const post = async (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${plane.url}/admin/tenants`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      body,
    });
    return [answer.status, ((await answer.json()) as { type: string; detail: string }).detail];
  };
  let token: string;
  beforeAll(async () => {
    token = await writer(plane.platform);
  });

  test.each<[string, string | Uint8Array<ArrayBuffer>, Record<string, string>, number, string]>([
    ['a name twice', '{"name":"a","name":"b","template":{"name":"plain"}}', {}, 400, 'the same name twice'],
    ['a name twice, once escaped', '{"n\\u0061me":"a","name":"b"}', {}, 400, 'the same name twice'],
    ['a name twice, deep', '{"name":"a","parameters":{"x":[{"y":1,"y":1}]}}', {}, 400, 'the same name twice'],
    ['names in strings', '{"name":"a\\":\\"a","displayName":"{\\"a\\":1,\\"a\\":2}"}', {}, 422, 'The body has'],
    ['bytes that are not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), {}, 400, 'not UTF-8'],
    ['a compressed body', new Uint8Array([0x1f, 0x8b]), { 'content-encoding': 'gzip' }, 415, 'without Content-Encoding'],
    ['a name with a meaning in JavaScript', '{"__proto__":{"platform":true}}', {}, 400, '__proto__'],
  ])('%s', async (_what, body, headers, status, detail) => {
    expect(await post(body, headers)).toEqual([status, expect.stringContaining(detail)]);
  });
});

describe('a slow request', () => {
  let slow: Awaited<ReturnType<typeof startPlane>>;
  let proxy: KubernetesProxy;
  let token: string;

  beforeAll(async () => {
    const kubeconfig = join(cluster.workosDir, 'slow');
    proxy = await KubernetesProxy.start(cluster.kubeconfig, kubeconfig);
    slow = await startPlane(
      cluster,
      workos,
      { kubeconfig, platformOrganizationId: plane.platform },
      { http: { arrivalMs: 1_000, answerMs: 4_000, checkMs: 100 } },
    );
    token = await writer(plane.platform);
  });

  afterAll(async () => {
    await slow.stop();
    proxy.stop();
  });

  const head = () =>
    `POST /admin/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n`;

  test.each([
    ['a body', () => `${head()}\r\n{"name":`],
    ['headers', () => head()],
  ])('is answered 408 when %s does not arrive', async (_what, text) => {
    const [answered = '', body = ''] = (await raw(text(), slow.url)).split('\r\n\r\n');
    expect(answered).toMatch(/^HTTP\/1.1 408 /);
    expect(JSON.parse(body)).toMatchObject({ type: 'https://tenantry.dev/problems/request-timeout', status: 408 });
  });

  test('is answered 503 with Retry-After when the answer takes too long', async () => {
    const held = Promise.withResolvers<'passed'>();
    proxy.rule = ({ path }) => (path.endsWith('/tenants/nobody') ? held.promise : 'passed');
    try {
      const answer = await fetch(`${slow.url}/admin/tenants/nobody`, { headers: { authorization: `Bearer ${token}` } });
      expect([answer.status, await answer.json()]).toEqual([
        503,
        expect.objectContaining({ type: 'https://tenantry.dev/problems/overloaded', requestId: answer.headers.get('x-request-id') }),
      ]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    } finally {
      held.resolve('passed');
    }
  });
});
