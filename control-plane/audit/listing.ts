import { type Kysely, type Selectable, type SelectQueryBuilder, sql } from 'kysely';
import type { ChainedRecord } from '../../audit/chain.ts';
import { platformChain } from '../../audit/chain.ts';
import type { RecordKind } from '../../audit/record.ts';
import { Problem } from '../../problems/problem.ts';
import type { AuditTables } from '../store/tables/audit.ts';
import { chainedRecordOf } from './chain-reader.ts';
import { listedChains, type Scope } from './expected-chains.ts';
import { toolCallAction } from './intake.ts';

export interface Filter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly outcome?: string | undefined;
  readonly kind?: RecordKind | undefined;
  readonly requestId?: string | undefined;
  /** Range of `received`: from `from` (included) to `to` (excluded). */
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

/** A record's place in the list. Places never change, and later records come before all places. */
interface Place {
  readonly received: Date;
  readonly position: string;
}

/** Lists records, newest first. */
export class Listing {
  readonly #db: Kysely<AuditTables>;

  constructor(db: Kysely<AuditTables>) {
    this.#db = db;
  }

  /** @throws Problem `invalid-query` for an invalid cursor. */
  async page(scope: Scope, filter: Filter, limit: number, cursor: string | undefined): Promise<{ items: ChainedRecord[]; next?: string }> {
    const place = cursor === undefined ? undefined : readCursor(cursor);
    const rows = await this.#rows(scope, filter, place, limit + 1);
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return {
      items: items.map(chainedRecordOf),
      ...(rows.length > limit && last !== undefined ? { next: writeCursor(last) } : {}),
    };
  }

  async #rows(scope: Scope, filter: Filter, place: Place | undefined, limit: number): Promise<Selectable<AuditTables['audit_records']>[]> {
    const wanted = newestFirst(matching(this.#db.selectFrom('audit_records').selectAll('audit_records'), filter, place), limit);
    const { tenant, organizationId } = scope;
    if (organizationId === undefined && tenant === undefined) return await wanted.execute();
    const named = listedChains(this.#db, scope).select('chain');
    // The platform's chain has the records of a tenant from before its creation.
    const withPlatform = tenant !== undefined && organizationId === undefined;
    const chains = withPlatform ? named.unionAll(this.#db.selectNoFrom(sql<string>`${platformChain}`.as('chain'))) : named;
    const ofTenant = withPlatform
      ? wanted.where(({ or, eb }) => or([eb('audit_records.chain', '<>', platformChain), eb('audit_records.tenant_name', '=', tenant)]))
      : wanted;
    // Reads the newest records of each chain by its index, then sorts these.
    const each = this.#db
      .selectFrom(chains.as('readable'))
      .innerJoinLateral(ofTenant.whereRef('audit_records.chain', '=', sql.ref('readable.chain')).as('found'), (join) => join.onTrue())
      .selectAll('found');
    return await each.orderBy('found.received', 'desc').orderBy('found.position', 'desc').limit(limit).execute();
  }
}

type Query = SelectQueryBuilder<AuditTables, 'audit_records', Selectable<AuditTables['audit_records']>>;

function newestFirst(query: Query, limit: number): Query {
  return query.orderBy('audit_records.received', 'desc').orderBy('audit_records.position', 'desc').limit(limit);
}

function matching(query: Query, { actor, action, outcome, kind, requestId, from, to }: Filter, place: Place | undefined): Query {
  let found = query;
  if (actor !== undefined) found = found.where('actor', '=', actor);
  if (action !== undefined) found = found.where('action', '=', action);
  // Records that are not tool calls are few and have their own index.
  if (action !== undefined && action !== toolCallAction) found = found.where(sql<boolean>`kind <> 'tool-call'`);
  if (outcome !== undefined) found = found.where('outcome', '=', outcome);
  if (kind !== undefined) found = found.where('kind', '=', kind);
  if (requestId !== undefined) found = found.where('request_id', '=', requestId);
  if (from !== undefined) found = found.where('received', '>=', from);
  if (to !== undefined) found = found.where('received', '<', to);
  if (place !== undefined) {
    found = found.where(sql<boolean>`(audit_records.received, audit_records.position) < (${place.received}, ${place.position}::bigint)`);
  }
  return found;
}

function writeCursor({ received, position }: Place): string {
  return Buffer.from(`${received.getTime()}.${position}`).toString('base64url');
}

function readCursor(cursor: string): Place {
  const [, received, position] = /^(\d{1,15})\.(\d{1,18})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (received === undefined || position === undefined) {
    throw new Problem('invalid-query', 'The cursor does not come from this API.', {
      remedy: 'Start again without a cursor.',
    });
  }
  return { received: new Date(Number(received)), position };
}
