import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkosStandIn } from '../../local/workos/start.ts';
import { type Cluster, openWorkos, startCluster, startPlane } from './control-plane-cluster.ts';

let cluster: Cluster;
let workos: WorkosStandIn;
let plane: Awaited<ReturnType<typeof startPlane>>;

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  plane = await startPlane(cluster, workos, { rateLimits: { perAdmin: 5, perAddress: 3 } });
});

afterAll(async () => {
  await plane.stop();
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

const list = (token: string) => fetch(`${plane.url}/admin/tenants`, { headers: { authorization: `Bearer ${token}` } });

describe('requests a minute', () => {
  test('each administrator has its own, is told what is left, and when to come again', async () => {
    const [one, other] = [await admin('one'), await admin('other')];
    for (let left = 4; left >= 0; left--) {
      const answer = await list(one);
      expect([answer.status, answer.headers.get('ratelimit-limit'), answer.headers.get('ratelimit-remaining')]).toEqual([
        200,
        '5',
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

  test('an address that sends refused tokens is told to wait, and shuts nobody out who has a good one', async () => {
    const good = await admin('good');
    expect((await list(good)).status).toBe(200);
    for (const _ of [1, 2, 3]) expect((await list('wrong')).status).toBe(401);
    expect((await list('wrong')).status).toBe(429);
    expect((await list(good)).status).toBe(200);
    expect((await list('wrong')).status).toBe(429);
    expect((await fetch(`${plane.url}/healthz`)).status).toBe(200);
  });
});

/** What the server says to bytes that fetch would not send. */
function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(plane.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('what is no HTTP', () => {
  test.each([
    ['not a request', 'HELO tenantry\r\n\r\n', 400, 'malformed-request'],
    ['a header that is none', 'GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n', 400, 'malformed-request'],
    [
      'two lengths',
      'POST /admin/tenants HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'malformed-request',
    ],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, 431, 'headers-too-large'],
  ])('%s: %i as a problem document', async (_name, text, status, code) => {
    const [head = '', body = ''] = (await raw(text)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head).toContain('content-type: application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ type: `https://tenantry.dev/problems/${code}`, status });
  });
});
