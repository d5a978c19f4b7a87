import { z } from 'zod';
import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';

export const sortOrders = ['name', '-name', 'createdAt', '-createdAt'] as const;
export type SortOrder = (typeof sortOrders)[number];

/** The last item of a page. It is not an index, so created and deleted tenants do not make the next page skip or repeat items. */
interface Position {
  readonly createdAt: string;
  readonly name: string;
}

const cursorShape = z.tuple([z.enum(sortOrders), z.string().max(40), z.string().regex(/^[a-z][-a-z0-9]{0,252}$/)]);

const positionOf = ({ metadata }: Tenant): Position => ({ createdAt: metadata.creationTimestamp ?? '', name: metadata.name });

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function comparison(sort: SortOrder): (a: Position, b: Position) => number {
  const byName = (a: Position, b: Position) => compare(a.name, b.name);
  const byTime = (a: Position, b: Position) => compare(a.createdAt, b.createdAt) || byName(a, b);
  const ascending = sort.endsWith('name') ? byName : byTime;
  return sort.startsWith('-') ? (a, b) => ascending(b, a) : ascending;
}

/**
 * One page of `tenants`, which are sorted by name. A tenant's place in the order never changes, so a tenant that exists from the first page
 * to the last is listed exactly once.
 * @throws Problem invalid-query for an invalid cursor, or a cursor of another order.
 */
export function pageOf(
  tenants: readonly Tenant[],
  { sort, limit, cursor }: { readonly sort: SortOrder; readonly limit: number; readonly cursor: string | undefined },
): { items: Tenant[]; nextCursor: string | undefined } {
  const inOrder = comparison(sort);
  const after = cursor === undefined ? undefined : readCursor(cursor, sort);
  const rest = after === undefined ? [...tenants] : tenants.filter((tenant) => inOrder(positionOf(tenant), after) > 0);
  if (sort !== 'name') rest.sort((a, b) => inOrder(positionOf(a), positionOf(b)));
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rest.length > limit && last !== undefined ? writeCursor(sort, positionOf(last)) : undefined };
}

function writeCursor(sort: SortOrder, { createdAt, name }: Position): string {
  return Buffer.from(JSON.stringify([sort, createdAt, name])).toString('base64url');
}

function readCursor(cursor: string, sort: SortOrder): Position {
  const parsed = cursorShape.safeParse(fromJson(Buffer.from(cursor, 'base64url').toString()));
  if (!parsed.success)
    throw new Problem('invalid-query', 'The cursor does not come from this API.', {
      remedy: 'Start again without a cursor.',
    });
  const [order, createdAt, name] = parsed.data;
  if (order !== sort)
    throw new Problem('invalid-query', `The cursor belongs to sort=${order}.`, {
      remedy: 'Start again without a cursor, or keep the order.',
    });
  return { createdAt, name };
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
