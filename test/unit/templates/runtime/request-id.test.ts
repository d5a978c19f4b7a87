import { expect, it } from 'vitest';
import { requestIdOf } from '../../../../templates/runtime/request-id.ts';

it('as request id is safe', () => {
  expect(requestIdOf({ 'x-request-id': 'a-1.b:2' })).toBe('a-1.b:2');
  for (const bad of ['', 'a b', 'a\nb', 'x'.repeat(129)]) expect(requestIdOf({ 'x-request-id': bad })).toMatch(/^[0-9a-f-]{36}$/);
});
