import { expect, it } from 'vitest';
import { concise } from '../../../../../templates/sidecar/tools/concise-schema.ts';

it('are shown without what helps nobody choose a value', () => {
  expect(
    concise({
      type: 'object',
      properties: {
        title: { type: 'string', minLength: 1, maxLength: 9, title: 'Title', examples: ['x'] },
        uid: { type: 'string', format: 'uuid' },
        when: { type: 'string', format: 'date-time' },
        code: { type: 'string', pattern: '^x$' },
        due: { type: 'string', pattern: '^y$', description: 'a day' },
        kind: { type: 'string', enum: ['a', 'b'] },
        limit: { type: 'integer', maximum: 10, default: 5 },
      },
      additionalProperties: false,
    }),
  ).toEqual({
    type: 'object',
    properties: {
      title: { type: 'string' },
      uid: { type: 'string' },
      when: { type: 'string', format: 'date-time' },
      code: { type: 'string', pattern: '^x$' },
      due: { type: 'string', description: 'a day' },
      kind: { enum: ['a', 'b'] },
      limit: { type: 'integer', maximum: 10, default: 5 },
    },
  });
});
