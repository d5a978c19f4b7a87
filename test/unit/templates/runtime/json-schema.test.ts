import { describe, expect, it } from 'vitest';
import { payloadCheck } from '../../../../templates/api-kit/validation.ts';
import { faultsOf } from '../../../../templates/runtime/json-schema.ts';

const error = (keyword: string, params: object, more: object = {}) => ({ instancePath: '/a', keyword, params: { ...params }, ...more });

describe('a fault of a schema in words', () => {
  it.each([
    [error('required', { missingProperty: 'b/c' }), '/a/b~1c', 'is required'],
    [error('additionalProperties', { additionalProperty: 'b' }), '/a/b', 'is not known here'],
    [error('unevaluatedProperties', { unevaluatedProperty: 'b' }), '/a/b', 'is not known here'],
    [error('enum', { allowedValues: ['x', 1, null] }), '/a', 'must be one of x, 1, null'],
    [error('const', { allowedValue: 'x' }), '/a', 'must be x'],
    [error('type', { type: 'string' }), '/a', 'must be string'],
    [error('type', { type: ['string', 'null'] }), '/a', 'must be string or null'],
    [error('format', { format: 'date' }), '/a', 'must be a valid date'],
    [error('pattern', { pattern: '^a$' }, { message: 'must match' }), '/a', 'must match'],
    [error('pattern', { pattern: '^a$' }, { message: 'must match', parentSchema: { description: 'a' } }), '/a', 'must match'],
    [error('pattern', { pattern: 'a'.repeat(60) }, { parentSchema: { description: 'a name' } }), '/a', 'violates pattern'],
    [error('pattern', { pattern: 'a'.repeat(61) }, { parentSchema: { description: 'a name' } }), '/a', 'must be as described: a name'],
    [error('pattern', { pattern: 'a'.repeat(61) }, { message: 'must match' }), '/a', 'must match'],
    [error('minimum', {}, { message: 'must be >= 1' }), '/a', 'must be >= 1'],
    [error('minimum', {}), '/a', 'violates minimum'],
  ])('%j', (fault, pointer, detail) => {
    expect(faultsOf([fault])).toEqual([{ pointer, detail }]);
  });

  it('is said once, and twenty are said at most', () => {
    const many = Array.from({ length: 25 }, (_, index) => error('required', { missingProperty: String(index) }));
    expect(faultsOf([...many, ...many])).toHaveLength(20);
    expect(faultsOf([error('type', { type: 'string' }), error('type', { type: 'string' })])).toHaveLength(1);
  });
});

describe('a payload', () => {
  const check = payloadCheck({
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string' }, size: { type: 'integer', default: 3 }, at: { format: 'date' } },
  });

  it('that fits gets its defaults, and is not converted', () => {
    const payload = { name: 'a' };
    check(payload);
    expect(payload).toEqual({ name: 'a', size: 3 });
    expect(() => check({ name: 'a', size: '3' })).toThrow('/size must be integer.');
  });

  it('that does not fit has every fault', () => {
    expect(() => check({ size: 'x', at: 'soon' })).toThrow(
      expect.objectContaining({
        status: 422,
        errors: [
          { pointer: '/name', detail: 'is required' },
          { pointer: '/size', detail: 'must be integer' },
          { pointer: '/at', detail: 'must be a valid date' },
        ],
      }),
    );
  });
});
