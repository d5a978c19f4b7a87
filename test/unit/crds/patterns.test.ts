import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePattern } from '../../../crds/patterns.ts';

describe('a pattern', () => {
  const pieces = [
    ...['a', 'b', 'é', '😀', '-', '}', '.', '^', '$', '(a)', '(?:a|b)', '(?<x>b)', '(?i:a)'],
    ...['\\s', '\\S', '\\d', '\\D', '\\w', '\\W', '\\b', '\\B', '\\t', '\\n', '\\v', '\\0', '\\.', '\\/', '\\$', '\\x41', '\\cJ'],
    ...['\\p{L}', '\\p{Script=Greek}', '\\u0041', '\\u{1F600}', '\\uD83D\\uDE00'],
    ...['[a-c]', '[^a]', '[\\s\\d]', '[^\\s]', '[\\S]', '[^\\S]', '[[]', '[\\b]', '[\\-a]', '[.]', '[😀é]', '[^]', '[]', '[\\w-]'],
  ];
  const pattern = fc
    .array(fc.tuple(fc.constantFrom(...pieces), fc.constantFrom('', '*', '+', '?', '{1,2}', '*?')), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.flat().join(''));
  const text = fc
    .array(
      fc.constantFrom(
        ...['a', 'b', 'A', '1', '_', ' ', '\n', '\r', '\v', '\b', '\0', '\u2028', '\u00a0', '\ufeff', 'é', 'α', '😀', '-', '[', '.', '$'],
      ),
      {
        maxLength: 6,
      },
    )
    .map((parts) => parts.join(''));

  test('matches as the engine of JavaScript does', () => {
    fc.assert(
      fc.property(pattern, text, (source, input) => {
        let expected: boolean;
        try {
          expected = new RegExp(source, 'u').test(input);
        } catch {
          expect(() => compilePattern(source)).toThrow();
          return;
        }
        expect(compilePattern(source).test(input)).toBe(expected);
      }),
      { numRuns: 3_000 },
    );
  });

  test.each(['^([a-zA-Z0-9]+)+$', '(x+x+)+y', '^(a|a)*$', '^(\\s*\\w*)*$', '(.*a){20}$'])('%s takes linear time', (source) => {
    const compiled = compilePattern(source);
    const begin = performance.now();
    for (const unit of ['a', 'x', 'a ']) compiled.test(`${unit.repeat(20_000)}!`);
    // The engine of JavaScript takes centuries.
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  test.each([
    ['(?=a)b', 'it uses look-ahead or look-behind'],
    ['(?!a)b', 'it uses look-ahead or look-behind'],
    ['(?<=a)b', 'it uses look-ahead or look-behind'],
    ['(?<!a)b', 'it uses look-ahead or look-behind'],
    ['(a)\\1', 'it uses a back-reference'],
    ['(?<n>a)\\k<n>', 'it uses a back-reference'],
    ['((a{100}){100}){100}', 'invalid repeat count'],
    ['a{0,1000}b{0,1000}', 'its repetitions are too large'],
    ['(a', 'Unterminated group'],
    ['\\A', 'Invalid escape'],
  ])('%s is refused: %s', (source, reason) => {
    expect(() => compilePattern(source)).toThrow(reason);
  });

  test('longer than 1000 characters is refused', () => {
    expect(() => compilePattern('a'.repeat(1_001))).toThrow('it is longer than 1000 characters');
    expect(compilePattern('a'.repeat(1_000)).test('a'.repeat(1_000))).toBe(true);
  });

  test('may have parentheses and escapes that only look like those', () => {
    expect(compilePattern('[(?=]\\\\1').test('=\\1')).toBe(true);
    expect(compilePattern('\\(\\?=').test('(?=')).toBe(true);
  });
});
