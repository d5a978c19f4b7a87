import { type Kysely, sql, type Transaction } from 'kysely';
import { type ChainedRecord, genesis, hashOf, platformChain } from '../../audit/chain.ts';
import { canonicalJson } from '../../audit/json.ts';
import type { MonthStartDetails } from '../../audit/month-start.ts';
import { type AuditRecord, newRecordId } from '../../audit/record.ts';
import { Problem } from '../../problems/problem.ts';
import { isDataRefused } from '../store/failures.ts';
import { KeyedMutex } from './keyed-mutex.ts';
import type { AuditTables } from './tables.ts';

/** A record that has no place in a chain yet. */
export type NewRecord = Omit<AuditRecord, 'received'> & {
  /** WorkOS organization that the tenant belongs to. */
  readonly tenantOrganizationId?: string | undefined;
};

interface Head {
  readonly month: string;
  readonly sequence: number;
  readonly hash: string;
}

/** The chain a record belongs to. */
export function chainOf({ tenant }: Pick<AuditRecord, 'tenant'>): string {
  return tenant?.uid ?? platformChain;
}

/** Transactions with batches at a time, and batches that may wait for their turn. */
const mostTransactions = 4;
const mostWaiting = 500;
/** Single records that share a transaction, and that may wait for one. */
const mostShared = 500;
const mostJoining = 5_000;

interface Joining {
  readonly record: NewRecord;
  readonly appended: PromiseWithResolvers<void>;
}

/**
 * Appends records to their chains. Batches for a chain take turns here already: waiting for one another in the database, they would
 * hold the connections that everybody else needs.
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
   * Appends all of them or none, in the order given; those whose id a chain has already are left out.
   * @returns how many were new. @throws what the driver throws; Problem `store-unavailable` when too many wait.
   */
  async append(records: readonly NewRecord[]): Promise<number> {
    if (records.length === 0) return 0;
    if (this.#mutex.waiting >= mostWaiting) throw tooManyWait();
    return await this.#mutex.run([...new Set(records.map(chainOf))], () => this.#transact(records));
  }

  /**
   * As append; what the database will never take is left out, and holds up no other.
   * @returns how many were new, and those that were left out.
   */
  async appendStorable(records: readonly NewRecord[]): Promise<{ readonly added: number; readonly untakable: readonly NewRecord[] }> {
    try {
      return { added: await this.append(records), untakable: [] };
    } catch (error) {
      if (!isDataRefused(error)) throw error;
      if (records.length === 1) return { added: 0, untakable: records };
      const half = Math.ceil(records.length / 2);
      const first = await this.appendStorable(records.slice(0, half));
      const second = await this.appendStorable(records.slice(half));
      return { added: first.added + second.added, untakable: [...first.untakable, ...second.untakable] };
    }
  }

  /**
   * Appends one record, in one transaction with whatever else waits by then, of whichever chain: many at once cost little more than one.
   * @throws as append.
   */
  async join(record: NewRecord): Promise<void> {
    if (this.#joining.length >= mostJoining) throw tooManyWait();
    const appended = Promise.withResolvers<void>();
    this.#joining.push({ record, appended });
    if (!this.#joins) void this.#appendJoining();
    await appended.promise;
  }

  /** One transaction after the other: what comes meanwhile is in the next. */
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
      // What the database will never take is nobody else's failure.
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

/** As Ledger.append, in a transaction that does more. */
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
  // The platform's chain is always locked last, because what begins in the others is told in it.
  const own = byChain.get(platformChain) ?? [];
  byChain.delete(platformChain);
  const placed = byChain.size === 0 ? [] : await place(byChain);
  const begun = placed.flatMap(({ chained, end }) => (chained[0]?.sequence === 1 ? [monthStartRecord(end)] : []));
  if (own.length + begun.length > 0) placed.push(...(await place(new Map([[platformChain, [...begun, ...own]]]))));
  if (placed.length === 0) return 0;
  await advance(
    transaction,
    placed.map(({ end }) => end),
  );
  const added = placed.flatMap(({ chained }) => chained);
  await insert(transaction, added);
  return added.length - begun.length;
}

interface Placed {
  readonly chained: readonly ChainedRecord[];
  readonly end: End;
}

/** That a chain, or another month of it, has begun: without it, a chain that is removed with all its heads would not be missed. */
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
 * Makes the chains there are none of yet and locks all, always in the same order, so that two transactions with several chains each
 * cannot wait for one another. @returns when each last received something, in milliseconds since the epoch.
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

/** Locks chains until the transaction ends: nobody else appends meanwhile. @returns when each last received something. */
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

/** Milliseconds since the epoch by the one clock that all replicas share. To be asked once the chains are locked. */
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

/** Gives new records their places after `head`. */
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

/** One statement whatever the number: a column is one value, an array. */
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
