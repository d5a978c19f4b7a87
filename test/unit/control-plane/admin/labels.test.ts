import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSelector } from '../../../../control-plane/admin/labels.ts';

describe('a label selector', () => {
  const selects = (selector: string, labels: Record<string, string>) => parseSelector(selector)(labels);

  test.each<[string, Record<string, string>, boolean]>([
    ['', {}, true],
    ['  ', {}, true],
    ['a=', { a: '' }, true],
    ['a=', {}, false],
    ['a in (x,)', { a: '' }, true],
    ['a in(x , y),b', { a: 'y', b: '1' }, true],
    ['a notin (x)', {}, true],
    ['! a', {}, true],
    ['in', { in: 'x' }, true],
    ['in in (x)', { in: 'x' }, true],
    ['constructor', {}, false],
    ['!toString', {}, true],
    ['valueOf!=x', {}, true],
    ['example.com/tier = gold', { 'example.com/tier': 'gold' }, true],
  ])('%j of %j: %s', (selector, labels, selected) => {
    expect(selects(selector, labels)).toBe(selected);
  });

  test.each([
    ...[
      ')',
      '(',
      '()',
      ',',
      ',,',
      'a,',
      ',a',
      'a,,b',
      'a=b)',
      '(a=b)',
      'a=b,)',
      'a in (b',
      'a in b)',
      'a in ()',
      'a in (,)',
      'a in ((b))',
      'a in (b)(c)',
    ],
    ...[
      'a=b=c',
      'a==b==c',
      '=b',
      '!',
      '!!a',
      '!a=b',
      'a b',
      'a notin',
      'a>1',
      'a<1',
      'a=b c',
      'ä=b',
      'a=ä',
      '__proto__',
      '-a',
      'a='.padEnd(70, 'x'),
      'a in (b) c',
      '\0',
    ],
  ])('refuses %j', (selector) => {
    expect(() => parseSelector(selector)).toThrow(
      expect.objectContaining({ code: 'invalid-query', message: expect.stringMatching(/^labelSelector: /) }),
    );
  });

  test('accepts or refuses any text without another error', () => {
    const pieces = fc.array(
      fc.oneof(fc.constantFrom('a', 'in', 'notin', '(', ')', ',', '=', '==', '!=', '!', ' '), fc.string({ maxLength: 2 })),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          parseSelector(parts.join(''))({ a: 'a' });
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-query' });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
