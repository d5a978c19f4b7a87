import { describe, expect, test } from 'vitest';
import { apiKeyId, apiKeyName, generateApiKey, recordOf } from '../../../crds/api-keys.ts';

/** Keys that people hold must stay valid, so the checksum must never change. */
const issued = 'tnt_0123456789Ab_0123456789ABCDEFGHIJKLMNOPQRSTUV';

describe('an API key', () => {
  test('is recognized by its checksum', () => {
    const key = generateApiKey();
    expect(apiKeyId(key)).toBe(key.slice(4, 16));
    for (const place of [5, 20, 48, 49, 54]) {
      const other = key[place] === 'a' ? 'b' : 'a';
      expect(apiKeyId(key.slice(0, place) + other + key.slice(place + 1))).toBeUndefined();
    }
  });

  test('uses the whole alphabet', () => {
    const letters = new Set(Array.from({ length: 200 }, () => generateApiKey().slice(17, 49)).join(''));
    expect([...letters].toSorted().join('')).toBe('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');
  });

  test('that was issued stays valid', () => {
    expect(apiKeyId(`${issued}4QPVk4`)).toBe('0123456789Ab');
  });

  test.each(['', 'tnt_', issued, `x${issued}4QPVk4`, `${issued}4QPVk4x`, `${issued}000000`])('%j is none', (text) => {
    expect(apiKeyId(text)).toBeUndefined();
    expect(() => recordOf(text, 'default', ['mcp'])).toThrow('not a well-formed API key');
  });

  test('is recorded by its hash', () => {
    const { sha256, ...rest } = recordOf(`${issued}4QPVk4`, 'default', ['mcp', 'api']);
    expect(rest).toEqual({ id: '0123456789Ab', name: 'default', scopes: ['mcp', 'api'] });
    expect(sha256).toBe('92bc333c4ce28c1312c391361e3bcb352ee76b4dcd415cea27158e0e31fdd0fc');
    expect(apiKeyName(sha256)).toBe('key-92bc333c4ce28c13');
  });
});
