import { type Kysely, type Selectable, sql } from 'kysely';
import type { ChainedRecord } from '../../audit/chain.ts';
import type { KeptHead } from '../../audit/export-lines.ts';
import type { Json } from '../../audit/json.ts';
import type { SignedHead, SignedRemoval } from '../../audit/statements.ts';
import { chainsIn, type DueChain, dueChains, type Scope } from './due-chains.ts';
import type { AuditTables } from './tables.ts';

/** A month of a chain, as the ledger says it is. */
export interface KeptMonth {
  readonly month: string;
  /** Whether the platform's chain says that it began. */
  readonly begun: boolean;
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
  chains(scope: Scope): Promise<DueChain[]> {
    return dueChains(this.#db, scope);
  }

  /** Months of which there is, or must be, anything, in order: records, signed heads, a statement that they were removed, a beginning. */
  async months({ chain, begun }: Pick<DueChain, 'chain' | 'begun'>, range: Months): Promise<string[]> {
    const { from = '', to = '9999-12' } = range;
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
      UNION SELECT month FROM audit_removals WHERE chain = ${chain} AND month BETWEEN ${from} AND ${to}`.execute(this.#db);
    return [...new Set([...rows.map(({ month }) => month), ...begun.filter((month) => from <= month && month <= to)])].sort();
  }

  /** What is said of a month besides its records. The end is read first: what is said later speaks of at least as much. */
  async month({ chain, begun }: Pick<DueChain, 'chain' | 'begun'>, month: string): Promise<KeptMonth> {
    const end = await this.#db
      .selectFrom('audit_heads')
      .select(['sequence', 'hash', 'closed'])
      .where('chain', '=', chain)
      .where('month', '=', month)
      .executeTakeFirst();
    return {
      month,
      begun: begun.includes(month),
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
  ): Promise<{ items: KeptHead[]; next: HeadPlace | undefined }> {
    let query = this.#db
      .selectFrom('audit_signed_heads')
      .leftJoin('audit_chains', 'audit_chains.chain', 'audit_signed_heads.chain')
      .distinctOn(['audit_signed_heads.chain', 'audit_signed_heads.month'])
      .selectAll('audit_signed_heads')
      .select(['audit_chains.tenant_name', 'audit_chains.organization_id'])
      .where('audit_signed_heads.month', '>=', from)
      .where('audit_signed_heads.month', '<=', to);
    // Who may read all gets those of chains, too, that somebody took off the list.
    if (scope.organizationId !== undefined || scope.tenant !== undefined) {
      query = query.where('audit_signed_heads.chain', 'in', chainsIn(this.#db, scope).select('chain'));
    }
    if (after !== undefined) {
      query = query.where(sql<boolean>`(audit_signed_heads.chain, audit_signed_heads.month) > (${after.chain}, ${after.month})`);
    }
    const rows = await query
      .orderBy('audit_signed_heads.chain')
      .orderBy('audit_signed_heads.month')
      .orderBy('audit_signed_heads.sequence', 'desc')
      .orderBy('audit_signed_heads.final', 'desc')
      .limit(limit + 1)
      .execute();
    const items = rows.slice(0, limit).map(({ tenant_name, organization_id, ...head }) => ({
      ...signedHeadOf(head),
      ...(tenant_name === null ? {} : { tenant: tenant_name }),
      ...(organization_id === null ? {} : { organizationId: organization_id }),
    }));
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
  async start(due: Pick<DueChain, 'chain' | 'begun'>, month: string | undefined): Promise<'beginning' | SignedHead | undefined> {
    if (month === undefined) return 'beginning';
    const earlier = await this.months(due, { to: before(month) });
    const last = earlier.at(-1);
    if (last === undefined) return 'beginning';
    return (await this.heads([due.chain], { from: last, to: last })).findLast(({ final }) => final);
  }

  /** Records of a month in order, those after `from`. Fails with the signal's reason. */
  async *records(chain: string, month: string, signal: AbortSignal, from = -1): AsyncGenerator<ChainedRecord> {
    for (let after = from; ; ) {
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

export function chainedRecordOf(row: Selectable<AuditTables['audit_records']>): ChainedRecord {
  const { chain, month, sequence, previous, hash, organization_id, impersonator, tenant_name, tenant_uid, request_id } = row;
  return {
    ...{ chain, month, sequence: Number(sequence), previous, hash },
    record: {
      id: row.id,
      kind: row.kind,
      time: row.time.toISOString(),
      received: row.received.toISOString(),
      actor: row.actor,
      ...(organization_id === null ? {} : { organizationId: organization_id }),
      ...(impersonator === null ? {} : { impersonator }),
      action: row.action,
      outcome: row.outcome,
      ...(tenant_name === null ? {} : { tenant: { name: tenant_name, ...(tenant_uid === null ? {} : { uid: tenant_uid }) } }),
      ...(request_id === null ? {} : { requestId: request_id }),
      details: row.details as Json,
    },
  };
}

export function signedHeadOf(row: Selectable<AuditTables['audit_signed_heads']>): SignedHead {
  const { chain, month, sequence, hash, final, signed_at, key_id, signature } = row;
  return { chain, month, sequence: Number(sequence), hash, final, signedAt: signed_at.toISOString(), keyId: key_id, signature };
}

/** The month before, as `YYYY-MM`. */
function before(month: string): string {
  const date = new Date(`${month}-01T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() - 1);
  return date.toISOString().slice(0, 7);
}
