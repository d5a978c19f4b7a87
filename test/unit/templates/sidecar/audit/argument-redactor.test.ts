import { describe, expect, it } from 'vitest';
import { isDeeperThan } from '../../../../../crds/parameters.ts';
import { ArgumentRedactor } from '../../../../../templates/sidecar/audit/argument-redactor.ts';
import type { Tool } from '../../../../../templates/sidecar/settings/tool.ts';
import { apiTools } from '../../../../../templates/sidecar/tools/api-document.ts';

/** The tool of an operation with that body. */
function toolOf(schema: object, operation: object = {}, path = '/x', schemas: object = {}): Tool {
  const document = {
    openapi: '3.1.1',
    paths: {
      [path]: { post: { operationId: 'x', requestBody: { required: true, content: { 'application/json': { schema } } }, ...operation } },
    },
    components: { schemas },
  };
  const { tools, skipped } = apiTools(document, { url: new URL('http://127.0.0.1/openapi.json'), reservedHeaders: [] });
  expect(skipped).toEqual([]);
  if (tools[0] === undefined) throw new Error('no tool');
  return tools[0];
}

const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
const redactor = new ArgumentRedactor();
/** What becomes of a value whose schema and name are these. */
const of = (schema: object, value: unknown, name = 'value') =>
  (redactor.redact(toolOf(object({ [name]: schema })), { [name]: value }) as Record<string, unknown>)[name];

const text = { type: 'string' };

describe('arguments in the audit', () => {
  it('are kept to a depth that the control plane takes', () => {
    const nested = (levels: number): unknown => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1);
    expect(of({ type: 'array' }, nested(10))).toEqual(nested(10));
    expect(isDeeperThan(of({ type: 'array' }, nested(150)), 14)).toBe(false);
    const recursive = toolOf({ $ref: '#/components/schemas/Node' }, {}, '/x', {
      Node: object({ next: { $ref: '#/components/schemas/Node' } }),
    });
    const chain = Array.from({ length: 100 }).reduce<object>((next) => ({ next }), {});
    expect(isDeeperThan(redactor.redact(recursive, { next: chain }), 16)).toBe(false);
  });

  it.each<[string, object, unknown, unknown]>([
    ['a number', { type: 'integer' }, 42, 42],
    ['a flag', { type: 'boolean' }, false, false],
    ['null', { type: ['string', 'null'] }, null, null],
    ['a listed value', { enum: ['todo', 'done'] }, 'done', 'done'],
    ['a constant', { const: 'fixed' }, 'fixed', 'fixed'],
    ['a day', text, '2027-01-31', '2027-01-31'],
    ['a time', text, '2027-01-31T09:00:00.5+01:00', '2027-01-31T09:00:00.5+01:00'],
    ['a UUID', text, '01930F6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f', '01930F6e-3b2a-7c1d-9e4f-5a6b7c8d9e0f'],
  ])('keep %s', (_what, schema, value, expected) => {
    expect(of(schema, value)).toBe(expected);
  });

  it.each<[string, object, unknown, unknown]>([
    ['what people write', text, 'Dear Ada', '[8 characters]'],
    ['a value that is not on the list', { enum: ['todo'] }, 'Dear Ada', '[8 characters]'],
    ['a text where a number is expected', { type: 'integer' }, 'Dear Ada', '[8 characters]'],
    ['an address', { ...text, format: 'email' }, 'ada@example.com', '[15 characters]'],
    ['a text that only begins as a day', text, '2027-01-31 is the day', '[21 characters]'],
    ['a text that is declared a UUID', { ...text, format: 'uuid' }, 'Dear Ada', '[8 characters]'],
    ['one among listed values', { anyOf: [{ enum: ['a'] }, text] }, 'b', '[1 characters]'],
  ])('give of %s the length', (_what, schema, value, expected) => {
    expect(of(schema, value)).toBe(expected);
  });

  it.each<[string, object, unknown]>([
    ['writeOnly', { ...text, writeOnly: true }, '2027-01-31'],
    ['format password', { ...text, format: 'password' }, 'x'],
    ['x-sensitive', { type: 'integer', 'x-sensitive': true }, 42],
    ['x-sensitive with a list', { enum: ['a'], 'x-sensitive': true }, 'a'],
    ['x-sensitive around an object', object({ n: { type: 'integer' } }, { 'x-sensitive': true, minProperties: 1 }), { n: 1 }],
    ['one alternative', { anyOf: [{ type: 'integer' }, { type: 'integer', writeOnly: true }] }, 42],
    ['an alternative within', { allOf: [{ oneOf: [{ type: 'null' }, { ...text, format: 'password' }] }] }, null],
    ['a branch', { if: { const: 1 }, else: { writeOnly: true } }, 42],
  ])('leave out what the schema marks by %s', (_mark, schema, value) => {
    expect(of(schema, value)).toBe('[redacted]');
  });

  it('leave out what a parameter marks', () => {
    const parameters = [
      { name: 'patient', in: 'query', 'x-sensitive': true, schema: { type: 'integer' } },
      { name: 'page', in: 'query', schema: { type: 'integer' } },
    ];
    expect(redactor.redact(toolOf({}, { parameters, requestBody: undefined }), { patient: 7, page: 8 })).toEqual({
      patient: '[redacted]',
      page: 8,
    });
  });

  it('leave out all of an operation or a body that is marked', () => {
    expect(redactor.redact(toolOf(object({ n: { type: 'integer' } }), { 'x-sensitive': true }), { n: 1 })).toBe('[redacted]');
    const body = toolOf({ ...object({ n: { type: 'integer' } }), 'x-sensitive': true }, { parameters: [{ name: 'page', in: 'query' }] });
    expect(redactor.redact(body, { n: 1, page: 2 })).toEqual({ n: '[redacted]', page: 2 });
    const part = { allOf: [object({ a: { type: 'integer' } }, { writeOnly: true }), object({ b: { type: 'integer' } })] };
    expect(redactor.redact(toolOf(part), { a: 1, b: 2 })).toEqual({ a: '[redacted]', b: 2 });
  });

  it('leave out what has the name of a secret, but for flags', () => {
    for (const name of [
      'password',
      'userPassword',
      'API-Key',
      'api_key',
      'accessToken',
      'client_secret',
      'pin',
      'otpCode',
      'accessTokens',
    ]) {
      expect(of({}, 123456, name), name).toBe('[redacted]');
      expect(of({}, ['x', 1], name), name).toBe('[redacted]');
      expect(of({}, { id: 1 }, name), name).toBe('[redacted]');
    }
    expect(of({ type: 'boolean' }, true, 'includeToken')).toBe(true);
  });

  it('keep identifiers by name and in the path, if they look like some', () => {
    expect(of(text, 'ord_123', 'orderId')).toBe('ord_123');
    expect(of({ type: 'array', items: text }, ['a-1', 'b:2'], 'order_ids')).toEqual(['a-1', 'b:2']);
    expect(of(text, 'Dear Ada', 'orderId')).toBe('[8 characters]');
    expect(of(text, 'ada@example.com', 'userId')).toBe('[15 characters]');
    expect(of(text, 'x'.repeat(65), 'orderId')).toBe('[65 characters]');
    const inPath = toolOf({}, { requestBody: undefined }, '/orders/{order}');
    expect(redactor.redact(inPath, { order: 'ord_123' })).toEqual({ order: 'ord_123' });
    const nested = toolOf(object({ box: object({ order: text }) }), {}, '/orders/{order}');
    expect(redactor.redact(nested, { order: 'a', box: { order: 'b' } })).toEqual({ order: 'a', box: { order: '[1 characters]' } });
  });

  it('hold no key, wherever one was put', () => {
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IV7pAx_Zmeo';
    for (const key of ['tnt_abcdefghijkl_0123456789', 'sk-live-1234', 'ghp_abc123', jwt]) {
      expect(of(text, key, 'orderId'), key).toBe('[redacted]');
      expect(of(text, key), key).toBe('[redacted]');
    }
  });

  it('hold nothing that no schema declares', () => {
    const open = toolOf(object({ title: text, labels: { type: 'object', additionalProperties: text } }));
    expect(
      redactor.redact(open, { title: 'a', mood: 'fine', 'ada@example.com': 1, labels: { colour: 'red', 'Ada Lovelace': 1 }, __proto__: 1 }),
    ).toEqual({
      title: '[1 characters]',
      mood: '[redacted]',
      '[undeclared]': '[redacted]',
      labels: { colour: '[redacted]', '[undeclared]': '[redacted]' },
    });
    expect(redactor.redact(open, JSON.parse('{"constructor": "x", "toString": {"a": 1}, "__proto__": "y"}'))).toEqual({
      constructor: '[redacted]',
      toString: '[redacted]',
      '[undeclared]': '[redacted]',
    });
  });

  it('name no undeclared argument whose name is a key, put there by mistake', () => {
    const open = toolOf(object({ labels: { type: 'object' } }));
    for (const key of ['tnt_abcdefghijkl_0123456789', 'sk_live_1234', 'ghp_abc123', 'eyJhbGciOiJIUzI1NiJ9']) {
      expect(key.length).toBeLessThan(33);
      expect(redactor.redact(open, { [key]: 1, labels: { [key]: 'x' } }), key).toEqual({
        '[undeclared]': '[redacted]',
        labels: { '[undeclared]': '[redacted]' },
      });
    }
  });

  it('are followed through lists, combinations and recursion', () => {
    const part = object({
      id: { type: 'integer' },
      note: text,
      secretWord: text,
      parts: { type: 'array', items: { $ref: '#/components/schemas/Part' } },
    });
    const tool = toolOf({ $ref: '#/components/schemas/Part' }, {}, '/x', { Part: part });
    expect(redactor.redact(tool, { id: 1, note: 'abc', parts: [{ id: 2, secretWord: 'x', parts: [{ note: 'ab', other: 1 }] }] })).toEqual({
      id: 1,
      note: '[3 characters]',
      parts: [{ id: 2, secretWord: '[redacted]', parts: [{ note: '[2 characters]', other: '[redacted]' }] }],
    });
    const either = toolOf({ oneOf: [object({ kind: { const: 'a' }, n: { type: 'integer' } }), object({ kind: { const: 'b' }, t: text })] });
    expect(redactor.redact(either, { body: { kind: 'b', t: 'xyz', n: 3 } })).toEqual({ body: { kind: 'b', t: '[3 characters]', n: 3 } });
  });

  it('stay small', () => {
    const list = toolOf(object({ list: { type: 'array', items: { type: 'integer' } } }));
    const { list: kept } = redactor.redact(list, { list: Array.from({ length: 100_000 }, (_, n) => n) }) as { list: unknown[] };
    expect(kept).toHaveLength(200);
    expect(kept.at(-1)).toBe('[99801 more]');
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`k${n}`, n]));
    expect(Object.keys(redactor.redact(list, many) as object)).toHaveLength(201);
  });
});
