import { expect, it } from 'vitest';
import { integer, required } from '../../../../templates/runtime/environment.ts';

it('of a faulty variable is its name', () => {
  expect(() => required({ A: '' }, 'A')).toThrow('A is not set');
  expect(() => integer({ PORT: 'secret' }, 'PORT', { min: 1, max: 2, default: 1 })).toThrow('PORT must be a whole number from 1 to 2');
  expect(integer({}, 'PORT', { min: 1, max: 2, default: 1 })).toBe(1);
});
