import { expect, it } from 'vitest';
import { describeError } from '../../../../templates/runtime/logging.ts';

it('of an error leaves out the fields in which libraries keep credentials', () => {
  const error = Object.assign(new Error('no'), { code: 'X', input: 'postgres://u:secret@h', config: { password: 'secret' } });
  expect(JSON.stringify(describeError(new Error('outer', { cause: error })))).not.toContain('secret@');
  expect(describeError(error)).toMatchObject({ message: 'no', code: 'X' });
});
