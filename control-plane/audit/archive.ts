import { type Kysely, type Selectable, sql } from 'kysely';
import type { ChainedRecord } from '../../audit/chain.ts';
import type { Json } from '../../audit/json.ts';
import type { SignedHead, SignedRemoval } from '../../audit/statements.ts';
import type { AuditTables } from './tables.ts';

/** Which chains somebody may read. */
export interface Scope {
  /** Those of the tenants of this organization; undefined for all, the platform's own included. */
  readonly organizationId: string | undefined;
  /** Those of tenants that have, or had, this name. */
  readonly tenant?: string | undefined;
}

export interface ChainName {
  readonly chain: string;
  /** Name of its tenant; undefined for the platform's. */
  readonly tenant: string | undefined;
}

/** A month of a chain, as the ledger says it is. */
export interface KeptMonth {
  readonly month: string;
  readonly heads: readonly SignedHead[];
  readonly removal: SignedRemoval | undefined;
  readonly end: { readonly sequence: number; readonly hash: string; readonly closed: boolean } | undefined;
}

/** Months, both included, as `YYYY-MM`. */
export interface Months {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Where a list of heads goes on. */
export interface HeadPlace {
  readonly chain: string;
  readonly month: string;
}

const recordsAPage = 500;

/** Reads chains as they are kept, without judging them. Statements are short, so that a slow reader holds nothing. */
export class Archive {
  readonly #db: Kysely<AuditTables>;

  constructor(db: Kysely<AuditTables>) {
    this.#db = db;
  }

  /** Chains in scope, in order of their names. */
  async chains(scope: Scope): Promise<ChainName[]> {
    const rows = await chainsIn(this.#db, scope).select(['chain', 'tenant_name']).orderBy('chain').execute();
    return rows.map(({ chain, tenant_name }) => ({ chain, tenant: tenant_name ?? undefined }));
  }

  /** Months of which there is anything, in order: records, signed heads, or a statement that they were removed. */
  async months(chain: string, { from = '', to = '9999-12' }: Months): Promise<string[]> {
    // The months of records by one step in the index for each: a month may have millions.
    const { rows } = await sql<{ month: string }>`
      WITH RECURSIVE recorded AS (
        SELECT (SELECT min(month) FROM audit_records WHERE chain = ${chain} AND month >= ${from}) AS month
        UNION ALL
        SELECT (SELECT min(month) FROM audit_records WHERE chain = ${chain} AND month > recorded.month) FROM recorded
         WHERE recorded.month IS NOT NULL)
      SELECT month FROM recorded WHERE month BETWEEN ${from} AND ${to}
      UNION SELECT month FROM audit_heads WHERE chain = ${chain} AND month BETWEEN ${from} AND ${to}
      UNION SELECT month FROM audit_signed_heads WHERE chain = ${chain} AND month BETWEEN ${from} AND ${to}
      UNION SELECT month FROM audit_removals WHERE chain = ${chain} AND month BETWEEN ${from} AND ${to}
      ORDER BY month`.execute(this.#db);
    return rows.map(({ month }) => month);
  }

  /** What is said of a month besides its records. The end is read first: what is said later speaks of at least as much. */
  async month(chain: string, month: string): Promise<KeptMonth> {
    const end = await this.#db
      .selectFrom('audit_heads')
      .select(['sequence', 'hash', 'closed'])
      .where('chain', '=', chain)
      .where('month', '=', month)
      .executeTakeFirst();
    return {
      month,
      end: end && { ...end, sequence: Number(end.sequence) },
      heads: await this.heads([chain], { from: month, to: month }),
      removal: await this.removal(chain, month),
    };
  }

  /** Signed heads in order of chain, month and sequence. */
  async heads(chains: readonly string[], { from = '', to = '9999-12' }: Months): Promise<SignedHead[]> {
    const rows = await this.#db
      .selectFrom('audit_signed_heads')
      .selectAll()
      .where('chain', '=', sql<string>`ANY(${[...chains]})`)
      .where('month', '>=', from)
      .where('month', '<=', to)
      .orderBy('chain')
      .orderBy('month')
      .orderBy('sequence')
      .orderBy('final')
      .execute();
    return rows.map(signedHeadOf);
  }

  /** The newest signed head of each month, in order of chain and month. */
  async newestHeads(
    scope: Scope,
    { from = '', to = '9999-12' }: Months,
    limit: number,
    after: HeadPlace | undefined,
  ): Promise<{ items: SignedHead[]; next: HeadPlace | undefined }> {
    let query = this.#db
      .selectFrom('audit_signed_heads')
      .distinctOn(['chain', 'month'])
      .selectAll()
      .where('chain', 'in', chainsIn(this.#db, scope).select('chain'))
      .where('month', '>=', from)
      .where('month', '<=', to);
    if (after !== undefined) query = query.where(sql<boolean>`(chain, month) > (${after.chain}, ${after.month})`);
    const rows = await query
      .orderBy('chain')
      .orderBy('month')
      .orderBy('sequence', 'desc')
      .orderBy('final', 'desc')
      .limit(limit + 1)
      .execute();
    const items = rows.slice(0, limit).map(signedHeadOf);
    return { items, next: rows.length > limit ? items.at(-1) : undefined };
  }

  async removal(chain: string, month: string): Promise<SignedRemoval | undefined> {
    const row = await this.#db
      .selectFrom('audit_removals')
      .selectAll()
      .where('chain', '=', chain)
      .where('month', '=', month)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { sequence, hash, removed_at, key_id, signature } = row;
    return { chain, month, sequence: Number(sequence), hash, removedAt: removed_at.toISOString(), keyId: key_id, signature };
  }

  /** Where a reading that begins with `month` begins: at the chain's beginning, or after the last head that was signed before. */
  async start(chain: string, month: string | undefined): Promise<'beginning' | SignedHead | undefined> {
    if (month === undefined) return 'beginning';
    const earlier = await this.months(chain, { to: before(month) });
    const last = earlier.at(-1);
    if (last === undefined) return 'beginning';
    return (await this.heads([chain], { from: last, to: last })).findLast(({ final }) => final);
  }

  /** Records of a month in order. Fails with the signal's reason. */
  async *records(chain: string, month: string, signal: AbortSignal): AsyncGenerator<ChainedRecord> {
    for (let after = -1; ; ) {
      signal.throwIfAborted();
      const rows = await this.#db
        .selectFrom('audit_records')
        .selectAll()
        .where('chain', '=', chain)
        .where('month', '=', month)
        .where('sequence', '>', sql<string>`${after}`)
        .orderBy('sequence')
        .limit(recordsAPage)
        .execute();
      for (const row of rows) yield chainedRecordOf(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < recordsAPage) return;
      after = Number(last.sequence);
    }
  }
}

/** Chains that a scope has. */
export function chainsIn(db: Kysely<AuditTables>, { organizationId, tenant }: Scope) {
  let query = db.selectFrom('audit_chains');
  if (organizationId !== undefined) query = query.where('organization_id', '=', organizationId);
  if (tenant !== undefined) query = query.where('tenant_name', '=', tenant);
  return query;
}

export function chainedRecordOf(row: Selectable<AuditTables['audit_records']>): ChainedRecord {
  const { chain, month, sequence, previous, hash, organization_id, tenant_name, tenant_uid, request_id } = row;
  return {
    ...{ chain, month, sequence: Number(sequence), previous, hash },
    record: {
      id: row.id,
      kind: row.kind,
      time: row.time.toISOString(),
      received: row.received.toISOString(),
      actor: row.actor,
      ...(organization_id === null ? {} : { organizationId: organization_id }),
      action: row.action,
      outcome: row.outcome,
      ...(tenant_name === null ? {} : { tenant: { name: tenant_name, ...(tenant_uid === null ? {} : { uid: tenant_uid }) } }),
      ...(request_id === null ? {} : { requestId: request_id }),
      details: row.details as Json,
    },
  };
}

function signedHeadOf(row: Selectable<AuditTables['audit_signed_heads']>): SignedHead {
  const { chain, month, sequence, hash, final, signed_at, key_id, signature } = row;
  return { chain, month, sequence: Number(sequence), hash, final, signedAt: signed_at.toISOString(), keyId: key_id, signature };
}

/** The month before, as `YYYY-MM`. */
function before(month: string): string {
  const date = new Date(`${month}-01T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() - 1);
  return date.toISOString().slice(0, 7);
}
