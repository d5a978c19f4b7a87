import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventName } from '@workos-inc/node';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startEnvironment, type TestEnvironment } from './environment.ts';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver that answers with the statuses given, in turn, and 200 afterwards. */
async function receiver(...statuses: number[]) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      response.writeHead(statuses.shift() ?? 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/workos`,
    received,
    statuses,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const register = ({ sdk }: TestEnvironment, endpointUrl: string, events: EventName[]) =>
  sdk.webhooks.createWebhookEndpoint({ endpointUrl, events: events as never });

describe('an event is sent to the endpoint that subscribes to it', () => {
  test("signed with the endpoint's secret, so that the SDK takes it, under the identifier of the Events API", async () => {
    await using environment = await startEnvironment();
    using target = await receiver();
    const { secret } = await register(environment, target.url, ['organization.created']);
    const organization = await environment.sdk.organizations.createOrganization({ name: 'Signed' });
    await expect.poll(() => target.received.length).toBe(1);
    const [{ headers, body }] = target.received as [Received];
    const signed = { payload: JSON.parse(body), sigHeader: String(headers['workos-signature']) };
    const event = await environment.sdk.webhooks.constructEvent({ ...signed, secret });
    expect(event).toMatchObject({ event: 'organization.created', data: { id: organization.id, name: 'Signed' } });
    expect(event.id).toBe(environment.workos.events({ events: ['organization.created'] })[0]?.id);
    await expect(environment.sdk.webhooks.constructEvent({ ...signed, secret: 'another' })).rejects.toThrow();
  });

  test('again until the endpoint accepts it', async () => {
    await using environment = await startEnvironment({ webhookRetryMs: 10 });
    using target = await receiver(500, 302);
    await register(environment, target.url, ['organization.created']);
    environment.workos.createOrganization({ name: 'Stubborn' });
    await expect.poll(() => target.received.length).toBe(3);
    expect(new Set(target.received.map(({ body }) => JSON.parse(body).id)).size).toBe(1);
  });

  test('after a restart, when it was not accepted before', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'workos-'));
    try {
      using target = await receiver(...Array(100).fill(503));
      const first = await startEnvironment({ dir, webhookRetryMs: 50 });
      await register(first, target.url, ['user.created']);
      const user = await first.workos.createUser({ email: 'late@example.com' });
      await expect.poll(() => target.received.length).toBeGreaterThan(0);
      await first[Symbol.asyncDispose]();
      target.statuses.length = 0;
      const before = target.received.length;
      await using _second = await startEnvironment({ dir });
      await expect.poll(() => target.received.length).toBe(before + 1);
      expect(JSON.parse(target.received.at(-1)?.body ?? '')).toMatchObject({ event: 'user.created', data: { id: user.id } });
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test('not while the endpoint is disabled', async () => {
    await using environment = await startEnvironment();
    using target = await receiver();
    using other = await receiver();
    const { id } = await register(environment, target.url, ['organization.created']);
    await register(environment, other.url, ['organization.created']);
    await environment.sdk.webhooks.updateWebhookEndpoint({ id, status: 'disabled' as never });
    environment.workos.createOrganization({ name: 'While disabled' });
    await expect.poll(() => other.received.length).toBe(1);
    expect(target.received).toEqual([]);
  });
});

test.each([
  ['http://elsewhere.example/hook', ['user.created'], 422],
  ['https://elsewhere.example/hook', ['user.invented'], 422],
  ['https://taken.example/hook', ['user.created'], 409],
])('an endpoint at %s for %j is refused with %i', async (url, events, status) => {
  await using environment = await startEnvironment();
  await register(environment, 'https://taken.example/hook', ['user.created']);
  await expect(register(environment, url, events as EventName[])).rejects.toMatchObject({ status });
});

describe('an outage', () => {
  test('of everything answers 503 until it ends, and can be begun from another process', async () => {
    await using environment = await startEnvironment();
    const { apiUrl, apiKey } = environment.workos;
    const ask = (seconds: number, key = apiKey) =>
      fetch(`${apiUrl}/stand-in/outage`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ kind: 'down', seconds }),
      });
    expect((await ask(60, 'sk_test_wrong')).status).toBe(401);
    expect((await ask(60)).status).toBe(204);
    for (const path of ['/organizations', '/oauth2/jwks', `/sso/jwks/${environment.workos.clientId}`]) {
      expect((await fetch(apiUrl + path, { headers: { authorization: `Bearer ${apiKey}` } })).status, path).toBe(503);
    }
    expect((await ask(0)).status).toBe(204);
    await environment.sdk.organizations.listOrganizations();
  });

  test('of the Events API alone leaves the rest', async () => {
    await using environment = await startEnvironment();
    environment.workos.outage('events', 60);
    await expect(environment.sdk.events.listEvents({ events: ['user.created'] })).rejects.toMatchObject({ status: 503 });
    await environment.sdk.organizations.listOrganizations();
  });

  test('of webhooks alone delays them', async () => {
    await using environment = await startEnvironment();
    using target = await receiver();
    await register(environment, target.url, ['organization.created']);
    environment.workos.outage('webhooks', 60);
    environment.workos.createOrganization({ name: 'Delayed' });
    await environment.sdk.organizations.listOrganizations();
    expect(target.received).toEqual([]);
    environment.workos.outage('webhooks', 0);
    await expect.poll(() => target.received.length).toBe(1);
  });
});

test('more than 1,000 reads within ten seconds are refused with a time to wait, and every request is counted', async () => {
  await using environment = await startEnvironment();
  const { apiUrl, apiKey } = environment.workos;
  const read = () => fetch(`${apiUrl}/organizations`, { headers: { authorization: `Bearer ${apiKey}` } });
  // A thousand requests may take longer than ten seconds, where the machine is busy with something else.
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  for (let i = 0; i < 20; i++) {
    const answers = await Promise.all(Array.from({ length: 50 }, read));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await Promise.all(answers.map((answer) => answer.text()));
  }
  const refused = await read();
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await environment.sdk.organizations.createOrganization({ name: 'A write' });
  expect(environment.workos.requests()).toMatchObject({ 'GET /organizations': 1001, 'POST /organizations': 1 });
  vi.setSystemTime(Date.now() + 10_001);
  expect((await read()).status).toBe(200);
});
