import { expect, test } from 'vitest';
import { compilePattern } from '../../../crds/patterns.ts';

/** Parts of ECMA-262 that mean something else, or nothing, in the syntax of RE2. */
test.each<[string, readonly string[], readonly string[]]>([
  ['^.$', ['a', '\v', '\u00a0', '😀'], ['\n', '\r', '\u2028', '\u2029', '']],
  ['^\\s$', [' ', '\t', '\u00a0', '\u2003', '\u2028', '\ufeff', '\u3000'], ['a', '\u200b', '\b']],
  ['^\\S$', ['a', '\u200b', '😀'], [' ', '\u00a0', '\u3000']],
  ['^[\\s]$', [' ', '\u00a0', '\u1680'], ['a', '\u200b']],
  ['^[\\S]$', ['a', '\u200b', '\ufefe', '😀'], [' ', '\u00a0', '\ufeff']],
  ['^[^\\s]$', ['a', '\u200b'], [' ', '\u2009']],
  ['^[[]$', ['['], [']', 'a']],
  ['^[a\\]b]$', ['a', ']', 'b'], ['[', '\\']],
  ['^[.]$', ['.'], ['a']],
  ['^[\\b]$', ['\b'], ['b', ' ']],
  ['a\\b', ['a', 'a b'], ['ab']],
  ['^[a].$', ['ab'], ['a\n', 'bb']],
  ['^\\uD83D\\uDE00$', ['😀'], ['😁', 'a']],
  ['^[\\uD83D\\uDE00-\\uD83D\\uDE02]$', ['😀', '😁', '😂'], ['😃']],
  ['^\\u0041$', ['A'], ['a', 'u0041']],
  ['^\\p{Script=Greek}$', ['α'], ['a']],
  ['^\\p{sc=Greek}$', ['α'], ['a']],
  ['^[\\P{Script=Greek}]$', ['a'], ['α']],
  ['^\\p{L}$', ['é'], ['1']],
])('%s matches %j and not %j', (source, matching, others) => {
  const pattern = compilePattern(source);
  expect(matching.filter((text) => !pattern.test(text))).toEqual([]);
  expect(others.filter((text) => pattern.test(text))).toEqual([]);
  expect(String(pattern)).toBe(source);
});
