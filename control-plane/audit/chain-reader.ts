import { type Kysely, type Selectable, sql } from 'kysely';
import type { ChainedRecord } from '../../audit/chain.ts';
import type { KeptHead } from '../../audit/export-lines.ts';
import type { Json } from '../../audit/json.ts';
import type { SignedHead, SignedRemoval } from '../../audit/statements.ts';
import type { AuditTables } from '../store/tables/audit.ts';
import { type ExpectedChain, expectedChains, listedChains, type Scope } from './expected-chains.ts';

/** A month of a chain as it is stored, except its records. */
export interface StoredMonth {
  readonly month: string;
  /** Whether the platform's chain records the month's start. */
  readonly started: boolean;
  readonly heads: readonly SignedHead[];
  readonly removal: SignedRemoval | undefined;
  readonly end: { readonly sequence: number; readonly hash: string; readonly closed: boolean } | undefined;
}

/** A range of months (`YYYY-MM`), both included. */
export interface Months {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** The last head of a page. */
export interface HeadCursor {
  readonly chain: string;
  readonly month: string;
}

const recordsAPage = 500;

/** Reads chains as they are stored, without verifying them. Statements are short, so that a slow caller holds no connection. */
export class ChainReader {
  readonly #db: Kysely<AuditTables>;

  constructor(db: Kysely<AuditTables>) {
    this.#db = db;
  }

  /** Chains in scope, in order of their names. */
  chains(scope: Scope): Promise<ExpectedChain[]> {
    return expectedChains(this.#db, scope);
  }

  /** Months with a record, a head or a recorded start, in order. */
  async months({ chain, startedMonths }: Pick<ExpectedChain, 'chain' | 'startedMonths'>, range: Months): Promise<string[]> {
    const { from = '', to = '9999-12' } = range;
    // Finds the months of records with one index step each, because a month may have millions of records.
    const { rows } = await sql<{ month: string }>`
      WITH RECURSIVE recorded AS (
        SELECT (SELECT min(month) FROM audit_records WHERE chain = ${chain} AND month >= ${from}) AS month
        UNION ALL
        SELECT (SELECT min(month) FROM audit_records WHERE chain = ${chain} AND month > recorded.month) FROM recorded
         WHERE recorded.month IS NOT NULL)
      SELECT month FROM recorded WHERE month BETWEEN ${from} AND ${to}
      UNION SELECT month FROM audit_heads WHERE chain = ${chain} AND month BETWEEN ${from} AND ${to}`.execute(this.#db);
    return [...new Set([...rows.map(({ month }) => month), ...startedMonths.filter((month) => from <= month && month <= to)])].sort();
  }

  /** Everything about a month except its records, read at once. */
  async month({ chain, startedMonths }: Pick<ExpectedChain, 'chain' | 'startedMonths'>, month: string): Promise<StoredMonth> {
    const row = await this.#heads([chain], { from: month, to: month }).executeTakeFirst();
    const head = row && signedHeadOf(row);
    return {
      month,
      started: startedMonths.includes(month),
      end: row && { sequence: Number(row.sequence), hash: row.hash, closed: row.final === true },
      heads: head === undefined ? [] : [head],
      removal: row && signedRemovalOf(row),
    };
  }

  /** The newest signed head of each month, in order of chain and month. */
  async heads(chains: readonly string[], range: Months): Promise<SignedHead[]> {
    return (await this.#heads(chains, range).execute()).flatMap((row) => signedHeadOf(row) ?? []);
  }

  #heads(chains: readonly string[], { from = '', to = '9999-12' }: Months) {
    return this.#db
      .selectFrom('audit_heads')
      .selectAll()
      .where('chain', '=', sql<string>`ANY(${[...chains]})`)
      .where('month', '>=', from)
      .where('month', '<=', to)
      .orderBy('chain')
      .orderBy('month');
  }

  /** As `heads`, in pages, with the tenant and organization of each chain. */
  async headPage(
    scope: Scope,
    { from = '', to = '9999-12' }: Months,
    limit: number,
    after: HeadCursor | undefined,
  ): Promise<{ items: KeptHead[]; next: HeadCursor | undefined }> {
    let query = this.#db
      .selectFrom('audit_heads')
      .leftJoin('audit_chains', 'audit_chains.chain', 'audit_heads.chain')
      .selectAll('audit_heads')
      .select(['audit_chains.tenant_name', 'audit_chains.organization_id'])
      .where('audit_heads.signature', 'is not', null)
      .where('audit_heads.month', '>=', from)
      .where('audit_heads.month', '<=', to);
    // A reader of all chains also gets the heads of chains that were deleted from audit_chains.
    if (scope.organizationId !== undefined || scope.tenant !== undefined) {
      query = query.where('audit_heads.chain', 'in', listedChains(this.#db, scope).select('chain'));
    }
    if (after !== undefined) {
      query = query.where(sql<boolean>`(audit_heads.chain, audit_heads.month) > (${after.chain}, ${after.month})`);
    }
    const rows = await query
      .orderBy('audit_heads.chain')
      .orderBy('audit_heads.month')
      .limit(limit + 1)
      .execute();
    const items = rows.slice(0, limit).flatMap((row) => {
      const head = signedHeadOf(row);
      if (head === undefined) return [];
      const { tenant_name: tenant, organization_id: organizationId } = row;
      return [{ ...head, ...(tenant === null ? {} : { tenant }), ...(organizationId === null ? {} : { organizationId }) }];
    });
    return { items, next: rows.length > limit ? rows[limit - 1] : undefined };
  }

  /** Whether retention has removed the month, or is removing it. */
  async isRemoved(chain: string, month: string): Promise<boolean> {
    const row = await this.#heads([chain], { from: month, to: month }).executeTakeFirst();
    return row !== undefined && signedRemovalOf(row) !== undefined;
  }

  /** The start of a reading from `month`: the chain's beginning, or the final head of the month before. */
  async start(
    due: Pick<ExpectedChain, 'chain' | 'startedMonths'>,
    month: string | undefined,
  ): Promise<'beginning' | SignedHead | undefined> {
    if (month === undefined) return 'beginning';
    const earlier = await this.months(due, { to: before(month) });
    const last = earlier.at(-1);
    if (last === undefined) return 'beginning';
    return (await this.heads([due.chain], { from: last, to: last })).findLast(({ final }) => final);
  }

  /** Records of a month after the sequence `from`, in order. Fails with the signal's reason. */
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

type HeadRow = Selectable<AuditTables['audit_heads']>;

/** The signed head of a month; undefined where the month has none. */
export function signedHeadOf(row: Omit<HeadRow, 'sequence' | 'hash'>): SignedHead | undefined {
  const { chain, month, signed_sequence, signed_hash, final, signed_at, key_id, signature } = row;
  if (signed_sequence === null || signed_hash === null || signed_at === null || key_id === null || signature === null) return undefined;
  const signedAt = signed_at.toISOString();
  return { chain, month, sequence: Number(signed_sequence), hash: signed_hash, final: final === true, signedAt, keyId: key_id, signature };
}

/** The signed statement of a month's removal; undefined for a month that is not removed. */
function signedRemovalOf(row: HeadRow): SignedRemoval | undefined {
  const { chain, month, sequence, hash, removed_at, removal_key_id, removal_signature } = row;
  if (removed_at === null || removal_key_id === null || removal_signature === null) return undefined;
  const removedAt = removed_at.toISOString();
  return { chain, month, sequence: Number(sequence), hash, removedAt, keyId: removal_key_id, signature: removal_signature };
}

/** The month before, as `YYYY-MM`. */
function before(month: string): string {
  const date = new Date(`${month}-01T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() - 1);
  return date.toISOString().slice(0, 7);
}
