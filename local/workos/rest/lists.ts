import { z } from 'zod';
import { invalid } from '../refusal.ts';

const paging = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(10),
  before: z.string().optional(),
  after: z.string().optional(),
  order: z.enum(['normal', 'desc', 'asc']).default('desc'),
});

interface Listed {
  readonly id: string;
}

/** One page of a list as the API gives it: `before` and `after` name the objects next to it. Identifiers are ordered by creation. */
export function listOf<T extends Listed>(items: readonly T[], query: unknown) {
  const { limit, before, after, order } = parsed(paging, query);
  const sorted = [...items].sort((a, b) => (order === 'desc' ? -1 : 1) * (a.id < b.id ? -1 : 1));
  let start = 0;
  if (after !== undefined) start = sorted.findIndex((item) => item.id === after) + 1;
  else if (before !== undefined) start = Math.max(0, sorted.findIndex((item) => item.id === before) - limit);
  const data = sorted.slice(start, start + limit);
  return {
    object: 'list',
    data,
    list_metadata: {
      before: start > 0 ? (data[0]?.id ?? null) : null,
      after: start + limit < sorted.length ? (data.at(-1)?.id ?? null) : null,
    },
  };
}

/** `value` as `schema` has it, or the refusal the API gives for what does not fit. */
export function parsed<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  throw invalid(
    'Validation failed.',
    result.error.issues.map((issue) => ({ field: issue.path.join('.'), code: issue.code })),
  );
}
