import { describe, expect, it } from 'vitest';
import { invalid, validatorCompiler } from '../../../../templates/api-kit/validation.ts';

const compile = (schema: object, httpPart: string) =>
  validatorCompiler()({ schema: { ...schema }, httpPart, method: 'GET', url: '/' } as never) as unknown as (value: unknown) => boolean;

describe('a request', () => {
  const schema = { type: 'object', properties: { limit: { type: 'integer', default: 3 }, deleted: { type: 'boolean' } } };

  it('has its parameters read as what the schema says', () => {
    const query: Record<string, unknown> = { deleted: 'true' };
    expect(compile(schema, 'querystring')(query)).toBe(true);
    expect(query).toEqual({ limit: 3, deleted: true });
    expect(compile(schema, 'querystring')({ limit: 'x' })).toBe(false);
  });

  it('has its body left as it is', () => {
    const body: Record<string, unknown> = {};
    expect(compile(schema, 'body')(body)).toBe(true);
    expect(body).toEqual({ limit: 3 });
    expect(compile(schema, 'body')({ limit: '3' })).toBe(false);
  });

  const faults = [
    { instancePath: '/limit', keyword: 'type', params: { type: 'integer' } },
    { instancePath: '', keyword: 'minProperties', params: {}, message: 'must not be empty' },
  ];

  it('with a faulty body is 422 with pointers', () => {
    expect(invalid(faults, 'body')).toMatchObject({
      status: 422,
      message: '/limit must be integer; The body must not be empty.',
      errors: [
        { pointer: '/limit', detail: 'must be integer' },
        { pointer: '', detail: 'must not be empty' },
      ],
    });
  });

  it('with faulty parameters is 400 with their names', () => {
    expect(invalid(faults.slice(0, 1), 'querystring')).toMatchObject({
      status: 400,
      message: 'limit must be integer.',
      errors: [{ parameter: 'limit', detail: 'must be integer' }],
    });
  });
});
