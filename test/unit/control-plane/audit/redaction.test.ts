import { describe, expect, test } from 'vitest';
import { redact } from '../../../../control-plane/audit/redaction.ts';

describe('details', () => {
  test.each([
    'password',
    'dbPassword',
    'client_secret',
    'accessToken',
    'apiKey',
    'api-key',
    'Authorization',
    'cookie',
    'credentials',
    'privateKey',
    'accessTokens',
  ])('lose the value of %s', (name) => {
    expect(redact({ [name]: 'x', deeper: [{ [name]: { a: 1 } }] })).toEqual({ [name]: '[redacted]', deeper: [{ [name]: '[redacted]' }] });
  });

  test('keep harmless names, and booleans under secret names', () => {
    const plain = { tokenCount: 3, monkey: 'a', secretRotation: { period: '24h' }, password: null, apiKeys: true, keyId: 'k1' };
    expect(redact(plain)).toEqual(plain);
  });

  test.each([
    'tnt_abcdefghijkl_0123456789',
    'use sk_test_abcdef please',
    'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln',
    'postgres://me:hunter2@db/x',
    '-----BEGIN PRIVATE KEY-----\nabc',
  ])('lose a text that is a secret under any name', (text) => {
    expect(redact({ note: text, list: [text] })).toEqual({ note: '[redacted]', list: ['[redacted]'] });
  });

  test.each(['eyJ-', 'a.eyJabc-', '-----BEGIN ', '//a:b', 'sk_a '])('are searched in linear time: many times %o', (piece) => {
    const began = performance.now();
    expect(redact({ parameters: { note: piece.repeat(250_000 / piece.length) } })).toHaveProperty('parameters.note');
    // Milliseconds. A search that follows each beginning to the end takes half a minute.
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test('lose the values of environment variables', () => {
    const env = [{ name: 'A', value: 'anything' }, { name: 'B' }];
    expect(redact({ containers: { api: { env } } })).toEqual({
      containers: { api: { env: [{ name: 'A', value: '[redacted]' }, { name: 'B' }] } },
    });
    expect(redact({ parameters: { value: 'kept' } })).toEqual({ parameters: { value: 'kept' } });
  });

  test('are limited in size, and always JSON', () => {
    expect(String(redact('x'.repeat(5_000))).length).toBeLessThan(2_100);
    expect(redact(Array.from({ length: 200 }, () => 'x'.repeat(1_000)))).toEqual({ truncated: expect.stringContaining('characters') });
    let deep: unknown = 'end';
    for (let depth = 0; depth < 10_000; depth += 1) deep = [deep];
    expect(JSON.stringify(redact(deep)).length).toBeLessThan(100);
    expect(redact({ a: undefined, b: Number.NaN, c: () => 1, d: 1n })).toEqual({ b: 'NaN', c: '[function]', d: '[bigint]' });
    expect(redact(undefined)).toBe(null);
    expect(redact(JSON.parse('{"__proto__": {"password": "x"}}'))).toEqual(JSON.parse('{"__proto__": {"password": "[redacted]"}}'));
  });
});
