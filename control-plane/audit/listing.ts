import { type Kysely, sql } from 'kysely';
import type { ChainedRecord } from '../../audit/chain.ts';
import { platformChain } from '../../audit/chain.ts';
import type { RecordKind } from '../../audit/record.ts';
import { Problem } from '../http/problem.ts';
import { chainedRecordOf, chainsIn, type Scope } from './archive.ts';
import type { AuditTables } from './tables.ts';

export interface Filter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly outcome?: string | undefined;
  readonly kind?: RecordKind | undefined;
  readonly requestId?: string | undefined;
  /** When records were received: not before `from`, and before `to`. */
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

/** A record's place in the order of the list; places never change, and records that come later have earlier places or none before. */
interface Place {
  readonly received: Date;
  readonly position: string;
}

/** Lists records, the newest first. */
export class Listing {
  readonly #db: Kysely<AuditTables>;

  constructor(db: Kysely<AuditTables>) {
    this.#db = db;
  }

  /** @throws Problem `invalid-query` for a cursor that is none. */
  async page(scope: Scope, filter: Filter, limit: number, cursor: string | undefined): Promise<{ items: ChainedRecord[]; next?: string }> {
    const { actor, action, outcome, kind, requestId, from, to } = filter;
    const place = cursor === undefined ? undefined : readCursor(cursor);
    let query = this.#db.selectFrom('audit_records').selectAll();
    if (scope.organizationId !== undefined || scope.tenant !== undefined) {
      const chains = chainsIn(this.#db, scope).select('chain');
      const { tenant, organizationId } = scope;
      query = query.where(({ or, and, eb }) =>
        // What was intended for a tenant before it was there is in the platform's chain.
        tenant !== undefined && organizationId === undefined
          ? or([eb('chain', 'in', chains), and([eb('chain', '=', platformChain), eb('tenant_name', '=', tenant)])])
          : eb('chain', 'in', chains),
      );
    }
    if (actor !== undefined) query = query.where('actor', '=', actor);
    if (action !== undefined) query = query.where('action', '=', action);
    if (outcome !== undefined) query = query.where('outcome', '=', outcome);
    if (kind !== undefined) query = query.where('kind', '=', kind);
    if (requestId !== undefined) query = query.where('request_id', '=', requestId);
    if (from !== undefined) query = query.where('received', '>=', from);
    if (to !== undefined) query = query.where('received', '<', to);
    if (place !== undefined) query = query.where(sql<boolean>`(received, position) < (${place.received}, ${place.position}::bigint)`);
    const rows = await query
      .orderBy('received', 'desc')
      .orderBy('position', 'desc')
      .limit(limit + 1)
      .execute();
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return {
      items: items.map(chainedRecordOf),
      ...(rows.length > limit && last !== undefined ? { next: writeCursor(last) } : {}),
    };
  }
}

function writeCursor({ received, position }: Place): string {
  return Buffer.from(`${received.getTime()}.${position}`).toString('base64url');
}

function readCursor(cursor: string): Place {
  const [, received, position] = /^(\d{1,15})\.(\d{1,18})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (received === undefined || position === undefined) {
    throw new Problem('invalid-query', 'cursor is not one this API gave; begin without it.');
  }
  return { received: new Date(Number(received)), position };
}
