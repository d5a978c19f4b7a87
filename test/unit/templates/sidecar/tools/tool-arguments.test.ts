import { expect, it } from 'vitest';
import { ArgumentChecker } from '../../../../../templates/sidecar/tools/tool-arguments.ts';
import { jsonBody, toolOf } from './operations.ts';

it('quote a short pattern, and say a long one in the words of its description', () => {
  const described = { type: 'string', description: 'a code such as x' };
  const tool = toolOf(
    jsonBody({
      type: 'object',
      properties: { short: { ...described, pattern: '^x$' }, long: { ...described, pattern: `^${'x'.repeat(80)}$` } },
    }),
  );
  expect(new ArgumentChecker().check(tool, { short: 'y', long: 'y' })).toEqual([
    'short must match pattern "^x$" (a code such as x)',
    'long must be as described: a code such as x',
  ]);
});
