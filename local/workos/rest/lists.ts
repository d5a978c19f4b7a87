import { z } from 'zod';
import { invalid } from '../state/refusal.ts';

const paging = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(10),
  before: z.string().optional(),
  after: z.string().optional(),
  order: z.enum(['normal', 'desc', 'asc']).default('desc'),
});

interface Listed {
  readonly id: string;
}

/**
 * Returns one page of a list in the API's format. Identifiers are ordered by creation, so a cursor works even when its object is gone.
 * `before` and `after` follow the order of the list. The order `normal` is an exception: it lists the newest first, `before` leads to
 * older objects, and `after` leads to newer ones.
 */
export function listOf<T extends Listed>(items: readonly T[], query: unknown) {
  const { limit, before, after, order } = parsed(paging, query);
  const ascending = (a: Listed, b: Listed): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  const sorted = [...items].sort(order === 'asc' ? ascending : (a, b) => ascending(b, a));
  const reversed = order === 'normal';
  const [onward, backward] = reversed ? [before, after] : [after, before];
  const isPast = (item: T, cursor: string): boolean => (order === 'asc' ? item.id > cursor : item.id < cursor);
  const position = (wanted: (item: T) => boolean): number => {
    const index = sorted.findIndex(wanted);
    return index === -1 ? sorted.length : index;
  };
  let start = 0;
  let end: number | undefined;
  if (onward !== undefined) start = position((item) => isPast(item, onward));
  else if (backward !== undefined) {
    end = position((item) => item.id === backward || isPast(item, backward));
    start = Math.max(0, end - limit);
  }
  const data = sorted.slice(start, end ?? start + limit);
  const earlier = start > 0 ? (data[0]?.id ?? null) : null;
  const later = start + data.length < sorted.length ? (data.at(-1)?.id ?? null) : null;
  return { object: 'list', data, list_metadata: reversed ? { before: later, after: earlier } : { before: earlier, after: later } };
}

/** Parses `value` by `schema`. @throws the API's refusal of an invalid value. */
export function parsed<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  throw invalid(
    'Validation failed.',
    result.error.issues.map((issue) => ({ field: issue.path.join('.'), code: issue.code })),
  );
}
