import { describe, expect, it } from 'vitest';
import { mergePatch } from '../../json/merge-patch.ts';
import { atPointer, atReference, escapePointer, pointerParts } from '../../json/pointer.ts';

describe('a merge patch', () => {
  // The examples of RFC 7396, appendix A.
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j patched with %j is %j', (target, patch, expected) => {
    expect(mergePatch(target, patch)).toEqual(expected);
  });
});

describe('a JSON pointer', () => {
  // The document of RFC 6901, section 5, and its pointers.
  const document = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'c%d': 2, 'e^f': 3, 'g|h': 4, 'i\\j': 5, 'k"l': 6, ' ': 7, 'm~n': 8 };

  it.each<[string, unknown]>([
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
    ['/nope', undefined],
    ['/foo/length/x', undefined],
    ['/constructor', undefined],
  ])('%j leads to %j', (pointer, value) => {
    expect(atPointer(document, pointer)).toEqual(value);
  });

  it('escapes and reads back any name', () => {
    for (const name of ['a', '', '~', '/', '~1', '~01', 'a/b~c']) {
      expect(pointerParts(`/${escapePointer(name)}`)).toEqual([name]);
      expect(atPointer({ [name]: 'found' }, `/${escapePointer(name)}`)).toBe('found');
    }
  });

  it.each<[string, unknown]>([
    ['#', document],
    ['#/c%25d', 2],
    ['#/k%22l', 6],
    ['#/a~1b', 1],
    ['#/%E0%A4%A', undefined],
    ['other.json#/foo', undefined],
    ['/foo', undefined],
  ])('in the reference %s leads to %j', (reference, value) => {
    expect(atReference(document, reference)).toEqual(value);
  });
});
