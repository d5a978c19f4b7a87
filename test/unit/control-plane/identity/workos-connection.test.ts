import { describe, expect, test } from 'vitest';
import {
  codeOf,
  isRefusal,
  ProviderUnavailable,
  statusOf,
  WorkosConnection,
} from '../../../../control-plane/identity/workos-connection.ts';
import { type Answer, startAnswering } from './answering.ts';

const organization: Answer = { status: 200, body: { id: 'org_1', name: 'One', domains: [], metadata: {} } };
const refused = (status: number): Answer => ({ status, body: { message: 'personal data', code: 'a_code' } });

async function connected(answer: (count: number) => Answer) {
  const server = await startAnswering((_request, count) => answer(count));
  const seen: string[] = [];
  const connection = new WorkosConnection({
    apiKey: 'sk_1',
    clientId: 'client_1',
    apiUrl: server.url,
    observe: (operation, outcome) => seen.push(`${operation}: ${outcome}`),
  });
  const read = () => connection.read('reading', (sdk) => sdk.organizations.getOrganization('org_1'));
  const write = () => connection.write('writing', (sdk) => sdk.organizations.createOrganization({ name: 'One' }));
  return { connection, read, write, seen, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

describe('a read', () => {
  test('resolves with the answer', async () => {
    await using one = await connected(() => organization);
    expect(await one.read()).toMatchObject({ id: 'org_1' });
    expect(one.seen).toEqual(['reading: ok']);
    expect(one.server.requests).toHaveLength(1);
  });

  test.each<[string, Answer]>([
    ['that was cut off', undefined],
    ['that WorkOS failed to answer', refused(500)],
  ])('%s is sent once more', async (_name, first) => {
    await using one = await connected((count) => (count === 1 ? first : organization));
    expect(await one.read()).toMatchObject({ id: 'org_1' });
    expect(one.server.requests).toHaveLength(2);
    expect(one.seen).toEqual(['reading: ok']);
  });

  test('that fails twice is not sent again', async () => {
    await using one = await connected((count) => (count <= 2 ? refused(500) : organization));
    await expect(one.read()).rejects.toMatchObject({ status: 500 });
    expect(one.server.requests).toHaveLength(2);
  });

  test.each([400, 401, 404, 429])('that WorkOS answers with %i is not sent again', async (status) => {
    await using one = await connected(() => refused(status));
    await expect(one.read()).rejects.toMatchObject({ status });
    expect(one.server.requests).toHaveLength(1);
  });
});

test('a write is sent once', async () => {
  await using one = await connected(() => refused(500));
  await expect(one.write()).rejects.toBeInstanceOf(ProviderUnavailable);
  expect(one.server.requests).toHaveLength(1);
  expect(one.seen).toEqual(['writing: unavailable']);
});

describe('a failure', () => {
  test.each<[Answer, string, 'refused' | 'unavailable']>([
    [refused(401), 'WorkOS refused the API key (HTTP 401): correct WORKOS_API_KEY; writing', 'refused'],
    [refused(403), 'WorkOS refused the API key (HTTP 403): correct WORKOS_API_KEY; writing', 'refused'],
    [refused(404), 'WorkOS answered HTTP 404; writing', 'refused'],
    [refused(499), 'WorkOS answered HTTP 499; writing', 'refused'],
    [refused(429), '(HTTP 429); writing', 'unavailable'],
    [refused(500), 'WorkOS answered HTTP 500; writing', 'unavailable'],
    [refused(503), 'WorkOS answered HTTP 503; writing', 'unavailable'],
    [undefined, 'WorkOS did not answer; writing', 'unavailable'],
  ])('with the answer %j says "%s"', async (answer, message, outcome) => {
    await using one = await connected(() => answer);
    await expect(one.write()).rejects.toThrow(message);
    expect(one.seen).toEqual([`writing: ${outcome}`]);
  });

  test('does not carry the body of the answer', async () => {
    await using one = await connected(() => ({ status: 422, body: { message: 'refused', errors: [{ email: 'ann@example.com' }] } }));
    const failure = (await one.write().catch((error: unknown) => error)) as Error;
    expect(failure.cause).toBeInstanceOf(Error);
    expect(JSON.stringify([failure, failure.cause, Object.keys(failure.cause as object)])).not.toContain('ann@example.com');
  });
});

describe('during an outage', () => {
  test('a failing operation is not sent after three failures, other operations are', async () => {
    await using one = await connected((count) => (count <= 3 ? refused(503) : organization));
    for (let i = 0; i < 3; i++) await expect(one.write()).rejects.toMatchObject({ status: 503 });
    await expect(one.write()).rejects.toMatchObject({ status: undefined });
    expect(one.server.requests).toHaveLength(3);
    expect(await one.read()).toMatchObject({ id: 'org_1' });
  });

  test('refusals are not failures', async () => {
    await using one = await connected(() => refused(422));
    for (let i = 0; i < 4; i++) await expect(one.write()).rejects.toMatchObject({ status: 422 });
    expect(one.server.requests).toHaveLength(4);
  });

  test('a pause that WorkOS asks for holds at once', async () => {
    await using one = await connected(() => ({ status: 429, headers: { 'retry-after': '5' } }));
    await expect(one.write()).rejects.toMatchObject({ status: 429 });
    await expect(one.write()).rejects.toMatchObject({ status: undefined });
    expect(one.server.requests).toHaveLength(1);
  });
});

test('the keys of session tokens belong to the client', async () => {
  await using one = await connected(() => organization);
  expect(one.connection.sessionKeysUrl.href).toBe(`${one.server.url}/sso/jwks/client_1`);
});

test.each([
  ['https://api.workos.com', 'https://api.workos.com/sso/jwks/client_1'],
  ['http://localhost', 'http://localhost/sso/jwks/client_1'],
])('the port of %s is that of its scheme', (apiUrl, url) => {
  expect(new WorkosConnection({ apiKey: 'sk_1', clientId: 'client_1', apiUrl }).sessionKeysUrl.href).toBe(url);
});

describe('an error', () => {
  test.each([
    [Object.assign(new Error(''), { status: 404, code: 'entity_not_found' }), 404, 'entity_not_found'],
    [Object.assign(new Error(''), { status: '404', code: 404 }), undefined, undefined],
    [new Error(''), undefined, undefined],
    [{ status: 404, code: 'entity_not_found' }, undefined, undefined],
  ])('%# has the status %s and the code %s', (error, status, code) => {
    expect([statusOf(error), codeOf(error)]).toEqual([status, code]);
  });

  test.each([
    [new ProviderUnavailable('reading', 400), true],
    [new ProviderUnavailable('reading', 404), true],
    [new ProviderUnavailable('reading', 409), true],
    [new ProviderUnavailable('reading', 422), true],
    [new ProviderUnavailable('reading', 401), false],
    [new ProviderUnavailable('reading', 500), false],
    [new ProviderUnavailable('reading', undefined), false],
    [Object.assign(new Error(''), { status: 400 }), false],
  ])('%s that a repetition does not help: %s', (error, refusal) => {
    expect(isRefusal(error)).toBe(refusal);
  });
});
