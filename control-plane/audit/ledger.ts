import { type Kysely, sql, type Transaction } from 'kysely';
import { type ChainedRecord, genesis, hashOf, platformChain } from '../../audit/chain.ts';
import { canonicalJson } from '../../audit/json.ts';
import type { MonthStartDetails } from '../../audit/month-start.ts';
import { type AuditRecord, newRecordId } from '../../audit/record.ts';
import { Problem } from '../../problems/problem.ts';
import { KeyedMutex } from '../concurrency/keyed-mutex.ts';
import { isDataRefused } from '../store/failures.ts';
import type { AuditTables } from '../store/tables/audit.ts';

/** A record without a place in a chain. */
export type NewRecord = Omit<AuditRecord, 'received'> & {
  /** WorkOS organization of the tenant. */
  readonly tenantOrganizationId?: string | undefined;
};

interface Head {
  readonly month: string;
  readonly sequence: number;
  readonly hash: string;
}

/** The chain of a record. */
export function chainOf({ tenant }: Pick<AuditRecord, 'tenant'>): string {
  return tenant?.uid ?? platformChain;
}

/** Most transactions of batches at a time, and most waiting batches. */
const mostTransactions = 4;
const mostWaiting = 500;
/** Most single records in a transaction, and most waiting single records. */
const mostShared = 500;
const mostJoining = 5_000;

interface Joining {
  readonly record: NewRecord;
  readonly appended: PromiseWithResolvers<void>;
}

/**
 * Appends records to their chains. Batches for a chain wait for each other here, because in the database they would hold the
 * connections that all other requests need.
 */
export class Ledger {
  readonly #db: Kysely<AuditTables>;
  readonly #mutex = new KeyedMutex(mostTransactions);
  /** Single records that wait for the next transaction, oldest first. */
  readonly #joining: Joining[] = [];
  #joins = false;

  constructor(db: Kysely<AuditTables>) {
    this.#db = db;
  }

  /**
   * Appends all records or none, in order. A record whose id the chain already has is left out.
   * @returns the number of new records. @throws errors of the driver; Problem `store-unavailable` when too many batches wait.
   */
  async append(records: readonly NewRecord[]): Promise<number> {
    if (records.length === 0) return 0;
    if (this.#mutex.waiting >= mostWaiting) throw tooManyWait();
    return await this.#mutex.run([...new Set(records.map(chainOf))], () => this.#transact(records));
  }

  /**
   * As append, but leaves out records that the database cannot store, so that they block no other record.
   * @returns the number of new records, and the records that were left out.
   */
  async appendStorable(records: readonly NewRecord[]): Promise<{ readonly added: number; readonly refused: readonly NewRecord[] }> {
    try {
      return { added: await this.append(records), refused: [] };
    } catch (error) {
      if (!isDataRefused(error)) throw error;
      if (records.length === 1) return { added: 0, refused: records };
      const half = Math.ceil(records.length / 2);
      const first = await this.appendStorable(records.slice(0, half));
      const second = await this.appendStorable(records.slice(half));
      return { added: first.added + second.added, refused: [...first.refused, ...second.refused] };
    }
  }

  /**
   * Appends one record, in one transaction with the other single records that wait, so that many at once cost little more than one.
   * @throws as append.
   */
  async join(record: NewRecord): Promise<void> {
    if (this.#joining.length >= mostJoining) throw tooManyWait();
    const appended = Promise.withResolvers<void>();
    this.#joining.push({ record, appended });
    if (!this.#joins) void this.#appendJoining();
    await appended.promise;
  }

  /** Runs one transaction at a time. Records that arrive meanwhile are in the next one. */
  async #appendJoining(): Promise<void> {
    this.#joins = true;
    while (this.#joining.length > 0) await this.#appendShared(this.#joining.splice(0, mostShared));
    this.#joins = false;
  }

  async #appendShared(shared: readonly Joining[]): Promise<void> {
    try {
      await this.#transact(shared.map(({ record }) => record));
      for (const { appended } of shared) appended.resolve();
    } catch (error) {
      // A record that the database cannot store must not fail the others.
      if (isDataRefused(error) && shared.length > 1) for (const one of shared) await this.#appendShared([one]);
      else for (const { appended } of shared) appended.reject(error);
    }
  }

  #transact(records: readonly NewRecord[]): Promise<number> {
    return this.#db.transaction().execute((transaction) => appendIn(transaction, records));
  }
}

function tooManyWait(): Problem {
  return new Problem('store-unavailable', 'Too many records wait to be stored.', {
    remedy: 'Send the records again after a few seconds.',
  });
}

/** As Ledger.append, in a transaction of the caller. */
export async function appendIn(transaction: Transaction<AuditTables>, records: readonly NewRecord[]): Promise<number> {
  const byChain = Map.groupBy(records, chainOf);
  const known = new Set<string>();
  const place = async (given: ReadonlyMap<string, readonly NewRecord[]>): Promise<Placed[]> => {
    const last = await lockChains(transaction, given);
    for (const id of await knownIds(transaction, given)) known.add(id);
    const now = await databaseTime(transaction);
    const heads = await headsOf(transaction, [...given.keys()]);
    return [...given].flatMap(([chain, ofChain]) => {
      // A clock that was set back must not reopen a month.
      const received = new Date(Math.max(now, last.get(chain) ?? 0));
      const chained = link(chain, heads.get(chain), received, ofChain, known);
      const end = chained.at(-1);
      return end === undefined ? [] : [{ chained, end: { ...end, received, organizationId: organizationOf(ofChain) } }];
    });
  };
  // The platform's chain is locked last, because it records the months that start in the others.
  const own = byChain.get(platformChain) ?? [];
  byChain.delete(platformChain);
  const placed = byChain.size === 0 ? [] : await place(byChain);
  const starts = placed.flatMap(({ chained, end }) => (chained[0]?.sequence === 1 ? [monthStartRecord(end)] : []));
  if (own.length + starts.length > 0) placed.push(...(await place(new Map([[platformChain, [...starts, ...own]]]))));
  if (placed.length === 0) return 0;
  await advance(
    transaction,
    placed.map(({ end }) => end),
  );
  const added = placed.flatMap(({ chained }) => chained);
  await insert(transaction, added);
  return added.length - starts.length;
}

interface Placed {
  readonly chained: readonly ChainedRecord[];
  readonly end: End;
}

/** The record of a month's start. Verification finds a deleted chain by it, even when all rows of the chain are deleted. */
function monthStartRecord({ chain, month, record, organizationId }: End): NewRecord {
  const details: MonthStartDetails = {
    ...{ chain, month },
    ...(record.tenant === undefined ? {} : { tenant: record.tenant.name }),
    ...(organizationId === null ? {} : { organizationId }),
  };
  return {
    id: newRecordId(Date.parse(record.received)),
    kind: 'chain',
    time: record.received,
    actor: 'control-plane',
    action: 'audit.begin',
    outcome: 'ok',
    details: { ...details },
  };
}

/**
 * Creates missing chains and locks all chains, always in the same order, so that two transactions cannot wait for each other.
 * @returns the time of each chain's last record, in milliseconds since the epoch.
 */
async function lockChains(transaction: Transaction<AuditTables>, byChain: ReadonlyMap<string, readonly NewRecord[]>) {
  const chains = [...byChain].sort(byName).map(([chain, records]) => ({
    chain,
    tenant_name: chain === platformChain ? null : (records[0]?.tenant?.name ?? null),
    organization_id: organizationOf(records),
    received: new Date(0),
  }));
  await transaction
    .insertInto('audit_chains')
    .values(chains)
    .onConflict((conflict) => conflict.column('chain').doNothing())
    .execute();
  return lockedChains(
    transaction,
    chains.map(({ chain }) => chain),
  );
}

/** Locks chains against appends until the transaction ends. @returns the time of each chain's last record. */
export async function lockedChains(transaction: Transaction<AuditTables>, chains: readonly string[]): Promise<Map<string, number>> {
  const rows = await transaction
    .selectFrom('audit_chains')
    .select(['chain', 'received'])
    .where('chain', '=', sql<string>`ANY(${[...chains]})`)
    .orderBy('chain')
    .forUpdate()
    .execute();
  return new Map(rows.map(({ chain, received }) => [chain, received.getTime()]));
}

/** Milliseconds since the epoch by the clock of the database, which all replicas share. Read it after the chains are locked. */
export async function databaseTime(db: Kysely<AuditTables>): Promise<number> {
  const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(db);
  return rows[0]?.now.getTime() ?? 0;
}

async function knownIds(transaction: Transaction<AuditTables>, byChain: ReadonlyMap<string, readonly NewRecord[]>): Promise<string[]> {
  const rows = await transaction
    .selectFrom('audit_records')
    .select(['chain', 'id'])
    .where('chain', '=', sql<string>`ANY(${[...byChain.keys()]})`)
    .where('id', '=', sql<string>`ANY(${[...byChain.values()].flat().map(({ id }) => id)}::uuid[])`)
    .execute();
  return rows.map(({ chain, id }) => `${chain} ${id}`);
}

async function headsOf(transaction: Transaction<AuditTables>, chains: readonly string[]): Promise<Map<string, Head>> {
  const rows = await transaction
    .selectFrom('audit_heads')
    .distinctOn('chain')
    .select(['chain', 'month', 'sequence', 'hash'])
    .where('chain', '=', sql<string>`ANY(${[...chains]})`)
    .orderBy('chain')
    .orderBy('month', 'desc')
    .execute();
  return new Map(rows.map(({ chain, month, sequence, hash }) => [chain, { month, sequence: Number(sequence), hash }]));
}

/** Places new records after `head`. */
function link(chain: string, head: Head | undefined, time: Date, records: readonly NewRecord[], known: Set<string>): ChainedRecord[] {
  const received = time.toISOString();
  const month = received.slice(0, 7);
  let sequence = head?.month === month ? head.sequence : 0;
  let previous = head?.hash ?? genesis;
  const chained: ChainedRecord[] = [];
  for (const { tenantOrganizationId: _, ...given } of records) {
    const id = given.id.toLowerCase();
    if (known.has(`${chain} ${id}`)) continue;
    known.add(`${chain} ${id}`);
    sequence += 1;
    const placed = { chain, month, sequence, previous, record: { ...given, id, received, time: new Date(given.time).toISOString() } };
    previous = hashOf(placed);
    chained.push({ ...placed, hash: previous });
  }
  return chained;
}

interface End extends ChainedRecord {
  readonly received: Date;
  readonly organizationId: string | null;
}

async function advance(transaction: Transaction<AuditTables>, ends: readonly End[]): Promise<void> {
  await transaction
    .insertInto('audit_heads')
    .values(ends.map(({ chain, month, sequence, hash }) => ({ chain, month, sequence, hash })))
    .onConflict((conflict) =>
      conflict.columns(['chain', 'month']).doUpdateSet(({ ref }) => ({ sequence: ref('excluded.sequence'), hash: ref('excluded.hash') })),
    )
    .execute();
  await transaction
    .insertInto('audit_chains')
    .values(ends.map(({ chain, received, organizationId }) => ({ chain, received, organization_id: organizationId })))
    .onConflict((conflict) =>
      conflict.column('chain').doUpdateSet(({ ref, fn }) => ({
        received: ref('excluded.received'),
        organization_id: fn.coalesce('excluded.organization_id', 'audit_chains.organization_id'),
      })),
    )
    .execute();
}

function organizationOf(records: readonly NewRecord[]): string | null {
  return (
    records.find(({ tenant, tenantOrganizationId }) => tenant?.uid !== undefined && tenantOrganizationId !== undefined)
      ?.tenantOrganizationId ?? null
  );
}

/** Inserts all records in one statement: each column is one parameter, an array. */
async function insert(transaction: Transaction<AuditTables>, added: readonly ChainedRecord[]): Promise<void> {
  const column = (read: (chained: ChainedRecord) => string | number | null | undefined) => added.map((one) => read(one) ?? null);
  await sql`
    INSERT INTO audit_records (chain, month, sequence, previous, hash, id, kind, time, received, actor, impersonator, organization_id, action,
      outcome, tenant_name, tenant_uid, request_id, details)
    SELECT * FROM unnest(
      ${column(({ chain }) => chain)}::text[],
      ${column(({ month }) => month)}::text[],
      ${column(({ sequence }) => sequence)}::bigint[],
      ${column(({ previous }) => previous)}::text[],
      ${column(({ hash }) => hash)}::text[],
      ${column(({ record }) => record.id)}::uuid[],
      ${column(({ record }) => record.kind)}::text[],
      ${column(({ record }) => record.time)}::timestamptz[],
      ${column(({ record }) => record.received)}::timestamptz[],
      ${column(({ record }) => record.actor)}::text[],
      ${column(({ record }) => record.impersonator)}::text[],
      ${column(({ record }) => record.organizationId)}::text[],
      ${column(({ record }) => record.action)}::text[],
      ${column(({ record }) => record.outcome)}::text[],
      ${column(({ record }) => record.tenant?.name)}::text[],
      ${column(({ record }) => record.tenant?.uid)}::text[],
      ${column(({ record }) => record.requestId)}::text[],
      ${column(({ record }) => canonicalJson(record.details))}::json[])`.execute(transaction);
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}
