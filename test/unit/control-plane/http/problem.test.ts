import { expect, test } from 'vitest';
import { problemDetails } from '../../../../control-plane/http/problem.ts';
import { catalogue } from '../../../../problems/catalogue.ts';
import { Problem } from '../../../../problems/problem.ts';

test('every problem of the catalogue fits the schema of the OpenAPI document and has its own type', () => {
  const types = Object.entries(catalogue).map(([code, { status }]) => {
    const rendered = new Problem(code as keyof typeof catalogue, 'the fault').document('request-1');
    expect(problemDetails.parse(rendered)).toEqual(rendered);
    expect(rendered).toMatchObject({ status, requestId: 'request-1' });
    return rendered.type;
  });
  expect(new Set(types).size).toBe(types.length);
});
