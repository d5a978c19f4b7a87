import { expect, test } from 'vitest';
import { KeyedMutex } from '../../../../control-plane/concurrency/keyed-mutex.ts';

/** Work that ends on request, and the names of the work that has started. */
function works(mutex: KeyedMutex) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const take = (name: string, ...keys: string[]) =>
    mutex.run(keys, () => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
  const end = async (name: string) => {
    ends.get(name)?.();
    await settled();
  };
  return { begun, take, end };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('runs work on one key in order and other work meanwhile', async () => {
  const mutex = new KeyedMutex(10);
  const { begun, take, end } = works(mutex);
  const all = [take('first', 'a'), take('second', 'a'), take('other', 'b'), take('both', 'a', 'b')];
  await settled();
  expect(begun).toEqual(['first', 'other']);
  expect(mutex.waiting).toBe(2);
  await end('first');
  expect(begun).toEqual(['first', 'other', 'second']);
  await end('second');
  expect(begun.length).toBe(3);
  await end('other');
  expect(begun.at(-1)).toBe('both');
  await end('both');
  await Promise.all(all);
  expect(mutex.waiting).toBe(0);
});

test('runs no more at a time than its limit', async () => {
  const { begun, take, end } = works(new KeyedMutex(2));
  const all = ['a', 'b', 'c', 'd'].map((name) => take(name, name));
  await settled();
  expect(begun).toEqual(['a', 'b']);
  for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) {
    await end(name);
    expect(begun.length).toBe(Math.min(4, index + 3));
  }
  await Promise.all(all);
});

test('runs the next work after a failure', async () => {
  const mutex = new KeyedMutex(1);
  const failed = mutex.run(['a'], () => Promise.reject(new Error('away')));
  const next = mutex.run(['a'], async () => 'done');
  await expect(failed).rejects.toThrow('away');
  expect(await next).toBe('done');
});

test('does not deadlock on several keys in any order', async () => {
  const mutex = new KeyedMutex(3);
  const names = ['a', 'b', 'c', 'd'];
  const done = Array.from({ length: 400 }, (_, index) => {
    const keys = names.filter((_name, bit) => (index >> bit) & 1);
    return mutex.run(
      index % 2 === 0 ? keys : keys.toReversed(),
      () => new Promise<number>((resolve) => setImmediate(() => resolve(index))),
    );
  });
  expect((await Promise.all(done)).length).toBe(400);
});
