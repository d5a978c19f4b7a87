import { expect, test } from 'vitest';
import { Turns } from '../../control-plane/audit/turns.ts';

/** Work that ends when it is told to, and what has begun of it. */
function works(turns: Turns) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const take = (name: string, ...keys: string[]) =>
    turns.take(keys, () => {
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

test('work on the same key is done in order, other work meanwhile', async () => {
  const turns = new Turns(10);
  const { begun, take, end } = works(turns);
  const all = [take('first', 'a'), take('second', 'a'), take('other', 'b'), take('both', 'a', 'b')];
  await settled();
  expect(begun).toEqual(['first', 'other']);
  expect(turns.waiting).toBe(2);
  await end('first');
  expect(begun).toEqual(['first', 'other', 'second']);
  await end('second');
  expect(begun.length).toBe(3);
  await end('other');
  expect(begun.at(-1)).toBe('both');
  await end('both');
  await Promise.all(all);
  expect(turns.waiting).toBe(0);
});

test('no more is done at a time than may be', async () => {
  const { begun, take, end } = works(new Turns(2));
  const all = ['a', 'b', 'c', 'd'].map((name) => take(name, name));
  await settled();
  expect(begun).toEqual(['a', 'b']);
  for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) {
    await end(name);
    expect(begun.length).toBe(Math.min(4, index + 3));
  }
  await Promise.all(all);
});

test('what fails lets the next one begin', async () => {
  const turns = new Turns(1);
  const failed = turns.take(['a'], () => Promise.reject(new Error('away')));
  const next = turns.take(['a'], async () => 'done');
  await expect(failed).rejects.toThrow('away');
  expect(await next).toBe('done');
});

test('work on keys in any order never waits for itself', async () => {
  const turns = new Turns(3);
  const names = ['a', 'b', 'c', 'd'];
  const done = Array.from({ length: 400 }, (_, index) => {
    const keys = names.filter((_name, bit) => (index >> bit) & 1);
    return turns.take(
      index % 2 === 0 ? keys : keys.toReversed(),
      () => new Promise<number>((resolve) => setImmediate(() => resolve(index))),
    );
  });
  expect((await Promise.all(done)).length).toBe(400);
});
