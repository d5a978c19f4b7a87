import { expect, test } from 'vitest';
import { ExpiringCache } from '../../../../control-plane/concurrency/expiring-cache.ts';

function cache(maxEntries = 10) {
  const clock = { ms: 0 };
  let asked = 0;
  const answers = new ExpiringCache<number>({ maxEntries, now: () => clock.ms });
  const get = (key: string, lifetime = 100) =>
    answers.get(
      key,
      async () => ++asked,
      () => lifetime,
    );
  return { answers, clock, get };
}

test('caches an answer until it expires', async () => {
  const { clock, get } = cache();
  expect([await get('a'), await get('a')]).toEqual([1, 1]);
  clock.ms = 99;
  expect(await get('a')).toBe(1);
  clock.ms = 100;
  expect(await get('a')).toBe(2);
});

test('shares one lookup among simultaneous callers', async () => {
  const { get } = cache();
  expect(await Promise.all([get('a'), get('a'), get('b')])).toEqual([1, 1, 2]);
});

test('does not cache failures and answers without lifetime', async () => {
  const { answers, get } = cache();
  expect([await get('a', 0), await get('a', 0)]).toEqual([1, 2]);
  const fail = () =>
    answers.get(
      'b',
      () => Promise.reject(new Error('no')),
      () => 100,
    );
  await expect(fail()).rejects.toThrow('no');
  expect(await get('b')).toBe(3);
});

test('drops the oldest entry above the limit', async () => {
  const { answers, get } = cache(2);
  for (const key of ['a', 'b', 'c']) await get(key);
  expect([answers.last('a'), answers.last('b'), answers.last('c')]).toEqual([undefined, 2, 3]);
});

test('looks up a removed entry again, and does not cache a lookup under way', async () => {
  const { answers, get } = cache();
  await get('a');
  answers.forget('a');
  expect(await get('a')).toBe(2);
  const asked = Promise.withResolvers<number>();
  const before = answers.get(
    'b',
    () => asked.promise,
    () => 100,
  );
  answers.forget('b');
  expect(await get('b')).toBe(3);
  asked.resolve(0);
  expect(await before).toBe(0);
  expect(await get('b')).toBe(3);
});

test('an answer is fresh until it expires, and known after that', async () => {
  const { answers, clock, get } = cache();
  expect([answers.fresh('a'), answers.last('a')]).toEqual([undefined, undefined]);
  await get('a');
  clock.ms = 99;
  expect(answers.fresh('a')).toBe(1);
  clock.ms = 100;
  expect([answers.fresh('a'), answers.last('a')]).toEqual([undefined, 1]);
});

test.each([
  [0, undefined],
  [-1, undefined],
  [1, 7],
])('an answer from elsewhere with a lifetime of %i is cached as %s', (lifetime, cached) => {
  const { answers } = cache();
  answers.put('a', 1, 100);
  answers.put('a', 7, lifetime);
  expect(answers.last('a')).toBe(cached);
});
