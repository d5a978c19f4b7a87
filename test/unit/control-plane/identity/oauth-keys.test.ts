import { afterEach, expect, test, vi } from 'vitest';
import { OAuthKeys } from '../../../../control-plane/identity/oauth-keys.ts';
import { ProviderUnavailable } from '../../../../control-plane/identity/provider.ts';
import { type Answer, startAnswering } from './answering.ts';

afterEach(() => {
  vi.useRealTimers();
});

const set = (kid: string): Answer => ({ status: 200, body: { keys: [{ kid }] } });
const down: Answer = { status: 503, body: { keys: [] } };

/** Keys from a domain that gives the present answer, and a clock that is moved by hand. */
async function domain(first: Answer) {
  vi.useFakeTimers({ toFake: ['performance'] });
  const present = { answer: first };
  const server = await startAnswering(() => present.answer);
  const keys = new OAuthKeys(server.url);
  const kid = async (): Promise<unknown> => (await keys.current()).keys[0]?.['kid'];
  return { present, keys, kid, requests: server.requests, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('the keys are read at most once a minute', async () => {
  await using one = await domain(set('first'));
  expect(await one.kid()).toBe('first');
  one.present.answer = set('second');
  vi.advanceTimersByTime(59_999);
  expect(await one.kid()).toBe('first');
  vi.advanceTimersByTime(1);
  expect(await one.kid()).toBe('second');
  expect(one.requests).toEqual(['GET /oauth2/jwks', 'GET /oauth2/jwks']);
});

test('the last keys are used while the domain is down, which is asked every five seconds', async () => {
  await using one = await domain(set('first'));
  await one.kid();
  one.present.answer = down;
  vi.advanceTimersByTime(60_000);
  expect(await one.kid()).toBe('first');
  expect(one.requests).toHaveLength(2);
  one.present.answer = set('second');
  vi.advanceTimersByTime(4_999);
  expect(await one.kid()).toBe('first');
  expect(one.requests).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(await one.kid()).toBe('second');
});

test.each<[string, Answer, number | undefined]>([
  ['answers with an error', down, 503],
  ['answers something else', { status: 200, body: { keys: 'none' } }, 200],
  ['does not answer', undefined, undefined],
  ['redirects', { status: 302, headers: { location: '/elsewhere' } }, undefined],
])('without earlier keys, the provider is unavailable when the domain %s', async (_name, answer, status) => {
  await using one = await domain(answer);
  const asked = one.keys.current();
  await expect(asked).rejects.toBeInstanceOf(ProviderUnavailable);
  await expect(asked).rejects.toMatchObject({ status });
});
