import { describe, expect, test } from 'vitest';
import { demanded, isKnown, tagList } from '../../../../control-plane/http/entity-tags.ts';

describe('a list of entity tags', () => {
  test.each<[string | undefined, unknown]>([
    [undefined, undefined],
    ['*', 'any'],
    [' * ', 'any'],
    ['"1-a"', ['1-a']],
    ['"1-a", "2,b"', ['1-a', '2,b']],
    ['W/"1-a"', []],
    ['W/"1-a","2-b"', ['2-b']],
    ['""', ['']],
  ])('If-Match: %s', (header, tags) => {
    expect(demanded(header)).toEqual(tags);
    if (header !== undefined) expect(tagList.test(header)).toBe(true);
  });

  test.each<[string | undefined, boolean]>([
    [undefined, false],
    ['*', true],
    ['"1-a"', true],
    ['W/"1-a"', true],
    ['"x", W/"1-a"', true],
    ['"x,y","1-a"', true],
    ['"2-b"', false],
    ['"1"', false],
    ['"x1-a"', false],
  ])('If-None-Match: %s', (header, known) => {
    expect(isKnown(header, '"1-a"')).toBe(known);
  });

  test.each(['1-a', '"1-a', '"a" "b"', '*, "a"', '"a",', 'w/"a"', '"a"b"', ''])('refuses %j', (header) => {
    expect(tagList.test(header)).toBe(false);
  });
});
