import { expect, test } from 'vitest';
import { requestIdOf } from '../../../../control-plane/http/request-id.ts';

test.each([
  ['a-good.id:1', true],
  ['', false],
  ['with space', false],
  ['line\nbreak', false],
  ['x'.repeat(129), false],
])('the request id %j is kept: %s', (given, taken) => {
  expect(requestIdOf({ headers: { 'x-request-id': given } }) === given).toBe(taken);
});
