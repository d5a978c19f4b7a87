import { describe, expect, it } from 'vitest';
import { httpUrl, integer, json, jsonObject, oneOf, optional, texts } from '../../../../templates/runtime/environment.ts';

const range = { min: 2, max: 10, default: 5 };

describe('a variable', () => {
  it.each([
    ['2', 2],
    ['10', 10],
    ['', 5],
  ])('%j is the number %i', (text, value) => {
    expect(integer({ N: text }, 'N', range)).toBe(value);
  });

  it.each(['1', '11', '-3', '2.5', '0x3', ' 3', '3e0'])('%j is no number in the range', (text) => {
    expect(() => integer({ N: text }, 'N', range)).toThrow('N must be a whole number from 2 to 10');
  });

  it('is one of some words, or left out', () => {
    expect(oneOf({ A: 'b' }, 'A', ['a', 'b'], 'a')).toBe('b');
    expect(oneOf({ A: '' }, 'A', ['a', 'b'], 'a')).toBe('a');
    expect(() => oneOf({ A: 'secret' }, 'A', ['a', 'b'], 'a')).toThrow(/^A must be one of a, b$/);
    expect([optional({}, 'A'), optional({ A: '' }, 'A'), optional({ A: 'x' }, 'A')]).toEqual([undefined, undefined, 'x']);
  });

  it.each(['http://a.example', 'https://a.example:1/b'])('%s is a URL', (text) => {
    expect(httpUrl({ U: text }, 'U')).toEqual(new URL(text));
  });

  it.each(['a.example', 'ftp://a.example', 'https://a.example?b', 'https://a.example#b'])('%s is no URL to configure', (text) => {
    expect(() => httpUrl({ U: text }, 'U')).toThrow('U must be an absolute http or https URL');
  });

  it('is JSON of the wanted form', () => {
    expect(jsonObject({ J: '{"a":1}' }, 'J')).toEqual({ a: 1 });
    expect([jsonObject({}, 'J'), json({}, 'J'), jsonObject({ J: 'null' }, 'J')]).toEqual([{}, undefined, {}]);
    for (const text of ['[]', '7', '"a"']) expect(() => jsonObject({ J: text }, 'J')).toThrow('J must be a JSON object');
    expect(() => json({ J: '{' }, 'J')).toThrow('J must be JSON');
    expect([texts(undefined, 'T'), texts([], 'T'), texts(['a'], 'T')]).toEqual([undefined, [], ['a']]);
    for (const value of ['a', ['a', 1], {}]) expect(() => texts(value, 'T')).toThrow('T must be a JSON array of texts');
  });
});
