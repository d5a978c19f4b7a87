import { describe, expect, test } from 'vitest';
import { checkParameters, schemaFaults } from '../../../crds/parameters.ts';

const faultsOf = (schema: Readonly<Record<string, unknown>>, parameters: Readonly<Record<string, unknown>>) => {
  const checked = checkParameters(schema, parameters);
  return checked.ok ? [] : checked.faults.map(({ pointer, message }) => `${pointer} ${message}`);
};

describe('the faults of parameters', () => {
  test.each<[object, object, string[]]>([
    [{ properties: { a: { enum: ['x', 1] } } }, { a: 'y' }, ['/spec/parameters/a must be equal to one of the allowed values: "x", 1']],
    [{ properties: {} }, { 'a/b': 1 }, ['/spec/parameters/a~1b is not a parameter of the template']],
    [{ required: ['a'], properties: { a: {} } }, {}, ["/spec/parameters must have required property 'a'"]],
    [
      { properties: { a: { type: 'integer' }, b: { minimum: 3 } } },
      { a: 'x', b: 2 },
      ['/spec/parameters/a must be integer', '/spec/parameters/b must be >= 3'],
    ],
  ])('for the schema %j and %j are %j', (schema, parameters, faults) => {
    expect(faultsOf({ ...schema }, { ...parameters })).toEqual(faults);
  });

  test('are all listed up to twenty', () => {
    const schema = { properties: { list: { items: { type: 'string' } } } };
    expect(faultsOf(schema, { list: Array(20).fill(1) })).toHaveLength(20);
    expect(faultsOf(schema, { list: Array(20).fill(1) }).at(-1)).toContain('/list/19');
    expect(faultsOf(schema, { list: Array(21).fill(1) }).at(-1)).toBe('/spec/parameters has 1 more faults');
  });

  test('are none at the largest size', () => {
    const rest = '{"text":""}'.length;
    expect(faultsOf({ additionalProperties: true }, { text: 'x'.repeat(65_536 - rest) })).toEqual([]);
    expect(faultsOf({ additionalProperties: true }, { text: 'x'.repeat(65_537 - rest) })).toEqual([
      '/spec/parameters is larger than 64 KiB',
    ]);
  });
});

describe('a schema', () => {
  const depth = (levels: number): Record<string, unknown> => JSON.parse(`${'{"not":'.repeat(levels)}{}${'}'.repeat(levels)}`);

  test('may have 64 levels', () => {
    expect(schemaFaults(depth(63), '')).toEqual([]);
    expect(schemaFaults(depth(64), '')).toEqual([{ pointer: '', message: 'is nested deeper than 64 levels' }]);
  });

  test('of names that are no patterns has no faults', () => {
    expect(schemaFaults({ properties: { '(?=a)': { description: '(?=a)', const: { pattern: '(?=a)' } } } }, '')).toEqual([]);
  });

  test('is checked at its pointer, and without one there are no faults', () => {
    expect(schemaFaults({ pattern: '(' }, '/at')).toEqual([
      { pointer: '/at/pattern', message: expect.stringContaining('Use the syntax of RE2.') },
    ]);
    expect(schemaFaults(undefined, '/at')).toEqual([]);
  });

  test('with faults lets no parameters be checked', () => {
    expect(faultsOf({ type: 7 }, {})).toEqual(['/spec/parameters cannot be checked: the schema of the template has faults']);
    expect(faultsOf({ $async: true }, {})).toEqual(['/spec/parameters cannot be checked: the schema of the template has faults']);
  });
});
