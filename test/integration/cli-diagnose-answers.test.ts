import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { namespaceOf } from '../../crds/names.ts';
import type { StackTemplate } from '../../crds/stack-template.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { manifest, mcpOf } from '../customer.ts';
import { startEnvironment } from '../unit/local/workos/environment.ts';
import { World } from '../world.ts';
import { CommandLine } from './command-line.ts';
import { diagnose, paste, stateOf } from './diagnosing.ts';

const world = new World();
const dir = mkdtempSync(join(tmpdir(), 'tenantry-cli-answers-'));
const { kubeconfig, adminUrl, adminToken } = world.context;
const operator = new CommandLine(dir, { KUBECONFIG: kubeconfig, TENANTRY_URL: adminUrl, TENANTRY_TOKEN: adminToken });
/** Somebody with a kubeconfig alone: no control plane is known, as when it is stopped. */
const insider = new CommandLine(dir, { KUBECONFIG: kubeconfig });
const name = world.name('answers');
let url = '';
let between: Server | undefined;

beforeAll(async () => {
  await world.kubectl(['apply', '-f', '-'], manifest(name, { deletionPolicy: 'delete' }));
  url = mcpOf(await world.ready(name));
});
afterEach(() => between?.close());
afterAll(async () => {
  await world.remove(name);
  rmSync(dir, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A proxy before the tenant that changes some answers, as a badly set one does. Resolves with what `--address` takes. */
async function proxy(change: (path: string, answer: Answer) => Answer): Promise<string> {
  between = createServer((incoming, outgoing) => {
    const onwards = request(new URL(incoming.url ?? '/', url), { method: incoming.method, headers: incoming.headers }, async (response) => {
      const headers = Object.fromEntries(
        Object.entries(response.headers).flatMap(([key, value]) =>
          value === undefined || ['content-length', 'transfer-encoding', 'connection'].includes(key) ? [] : [[key, String(value)]],
        ),
      );
      const answer = change(incoming.url ?? '/', { status: response.statusCode ?? 0, headers, body: await text(response) });
      outgoing.writeHead(answer.status, answer.headers).end(answer.body);
    });
    onwards.on('error', () => outgoing.destroy());
    incoming.pipe(onwards);
  });
  const server = between;
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ofMetadata = (path: string): boolean => path.includes('/.well-known/oauth-protected-resource');
const withMetadata = (change: object) => (path: string, answer: Answer) =>
  ofMetadata(path) ? { ...answer, body: JSON.stringify({ ...JSON.parse(answer.body), ...change }) } : answer;

test.each([
  [
    'is of another URL',
    withMetadata({ resource: 'https://elsewhere.example.com/mcp' }),
    /is for https:\/\/elsewhere\.example\.com\/mcp, not for/,
  ],
  ['names no authorization server', withMetadata({ authorization_servers: [] }), /names no authorization server/],
  ['is no JSON', (path: string, answer: Answer) => (ofMetadata(path) ? { ...answer, body: '<html>' } : answer), /is no JSON object/],
  [
    'is forbidden',
    (path: string, answer: Answer) => (ofMetadata(path) ? { ...answer, status: 403 } : answer),
    /answered 403 instead of 200/,
  ],
])('the first broken link is the metadata where it %s', async (_what, change, fault) => {
  const { code, found } = await diagnose(operator, name, ['--address', await proxy(change)]);
  expect(found.firstBroken).toMatchObject({ name: 'metadata', fault: expect.stringMatching(fault) });
  expect(stateOf(found)).toMatchObject({ route: 'ok', pod: 'ok', database: 'ok', 'control plane': 'ok' });
  expect(code).toBe(9);
});

test('the first broken link is the token’s where a proxy takes the challenge away', async () => {
  const without = (_path: string, answer: Answer): Answer => {
    const { 'www-authenticate': _challenge, ...headers } = answer.headers;
    return { ...answer, headers };
  };
  const { found } = await diagnose(operator, name, ['--address', await proxy(without)]);
  expect(found.firstBroken).toMatchObject({ name: 'token', fault: expect.stringContaining('without naming its metadata') });
});

test('the first broken link is the metadata where its authorization server is down, with the control plane stopped too', async () => {
  const { issuer, address } = await (async () => {
    await using environment = await startEnvironment();
    const { issuer } = environment.workos;
    const address = await proxy(withMetadata({ authorization_servers: [issuer] }));
    const { found } = await diagnose(insider, name, ['--address', address]);
    expect(found.firstBroken).toBeUndefined();
    expect(stateOf(found)).toMatchObject({ metadata: 'ok', 'control plane': 'ok', handshake: 'ok' });
    return { issuer, address };
  })();
  const { code, found } = await diagnose(insider, name, ['--address', address]);
  expect(found.firstBroken).toMatchObject({
    name: 'metadata',
    fault: `${issuer}/.well-known/oauth-authorization-server: nothing listens there (ECONNREFUSED)`,
    remedy: expect.stringContaining('authorization server'),
  });
  expect(stateOf(found)).toMatchObject({ pod: 'ok', handshake: 'ok' });
  expect(code).toBe(9);
  const [command = ''] = found.firstBroken?.commands ?? [];
  // curl says the same.
  expect(await paste(command, dir, {})).toMatchObject({ code: 7 });
});

test('the first broken link is the database where its migration fails: with the migration’s own words, and the pod waits for it', async () => {
  const broken = world.name('broken');
  const { spec } = await world.kube.get<StackTemplate>(kinds.StackTemplate, 'toolbridge');
  const command = [process.execPath, '-e', "console.log('relation notes does not exist'); process.exit(1)"];
  await world.kube.create(kinds.StackTemplate, {
    metadata: { name: broken },
    ...{ spec: { ...spec, database: { ...spec.database, migration: { command, args: [] } } } },
  });
  try {
    await world.kubectl(['apply', '-f', '-'], manifest(broken, { template: { name: broken }, deletionPolicy: 'delete' }));
    await failNow(broken);
    await world.until(
      broken,
      ({ status }) => status?.conditions?.some(({ type, reason }) => type === 'DatabaseReady' && reason === 'MigrationFailed') ?? false,
    );
    const { code, found } = await diagnose(operator, broken);
    expect(found.firstBroken).toMatchObject({ name: 'database', fault: expect.stringContaining('MigrationFailed') });
    expect(stateOf(found)).toMatchObject({ tenant: 'ok', pod: 'not checked' });
    expect(JSON.stringify(found.steps.find((step) => step.name === 'database'))).toContain('relation notes does not exist');
    expect(code).toBe(9);
    for (const line of found.firstBroken?.commands ?? [])
      expect(await paste(line, dir, { KUBECONFIG: kubeconfig })).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('relation notes does not exist'),
      });
  } finally {
    await world.remove(broken);
    await world.kube.delete(kinds.StackTemplate, broken);
  }
});

/** A Job tries again for more than a minute; this one has had its chances with the first. */
async function failNow(tenant: string): Promise<void> {
  const namespace = namespaceOf(tenant);
  const job = await world.eventually('the migration', 60_000, async () => {
    const { items } = await world.kube
      .list<KubeObject & { status?: { failed?: number } }>(kinds.Job, { namespace })
      .catch(() => ({ items: [] }));
    return items.find(({ status }) => (status?.failed ?? 0) > 0);
  });
  await world.kube.patch(kinds.Job, job.metadata.name, { spec: { backoffLimit: 0 } }, { namespace });
}
