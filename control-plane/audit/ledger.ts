import { type Kysely, sql, type Transaction } from 'kysely';
import { type ChainedRecord, genesis, hashOf, platformChain } from '../../audit/chain.ts';
import { canonicalJson } from '../../audit/json.ts';
import type { AuditRecord } from '../../audit/record.ts';
import { Problem } from '../http/problem.ts';
import type { AuditTables } from './tables.ts';
import { Turns } from './turns.ts';

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

/** Rows a statement inserts: PostgreSQL takes 65,535 values. */
const rowsAStatement = 1_000;

/** The chain a record belongs to. */
export function chainOf({ tenant }: Pick<AuditRecord, 'tenant'>): string {
  return tenant?.uid ?? platformChain;
}

/** Transactions of one ledger at a time, and batches that may wait for their turn. */
const mostTransactions = 4;
const mostWaiting = 500;

/**
 * Appends records to their chains. Batches for a chain take turns here already: waiting for one another in the database, they would
 * hold the connections that everybody else needs.
 */
export class Ledger {
  readonly #db: Kysely<AuditTables>;
  readonly #turns = new Turns(mostTransactions);

  constructor(db: Kysely<AuditTables>) {
    this.#db = db;
  }

  /**
   * Appends all of them or none, in the order given; those whose id a chain has already are left out.
   * @returns how many were new. @throws what the driver throws; Problem `store-unavailable` when too many wait.
   */
  async append(records: readonly NewRecord[]): Promise<number> {
    if (records.length === 0) return 0;
    if (this.#turns.waiting >= mostWaiting) throw new Problem('store-unavailable', 'Too many records wait to be stored. Send them again.');
    const chains = new Set(records.map(chainOf));
    return await this.#turns.take([...chains], () => this.#db.transaction().execute((transaction) => appendIn(transaction, records)));
  }
}

/** As Ledger.append, in a transaction that does more. */
export async function appendIn(transaction: Transaction<AuditTables>, records: readonly NewRecord[]): Promise<number> {
  const byChain = Map.groupBy(records, chainOf);
  const last = await lockChains(transaction, byChain);
  const known = await knownIds(transaction, byChain);
  const now = await databaseTime(transaction);
  const heads = await headsOf(transaction, [...byChain.keys()]);
  const added: ChainedRecord[] = [];
  const ends: End[] = [];
  for (const [chain, ofChain] of [...byChain].sort(byName)) {
    // A clock that was set back must not reopen a month.
    const received = new Date(Math.max(now, last.get(chain) ?? 0));
    const chained = link(chain, heads.get(chain), received, ofChain, known);
    added.push(...chained);
    const end = chained.at(-1);
    if (end !== undefined) ends.push({ ...end, received, organizationId: organizationOf(ofChain) });
  }
  if (ends.length === 0) return 0;
  await advance(transaction, ends);
  for (let from = 0; from < added.length; from += rowsAStatement) {
    await transaction
      .insertInto('audit_records')
      .values(added.slice(from, from + rowsAStatement).map(rowOf))
      .execute();
  }
  return added.length;
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

async function knownIds(transaction: Transaction<AuditTables>, byChain: ReadonlyMap<string, readonly NewRecord[]>): Promise<Set<string>> {
  const rows = await transaction
    .selectFrom('audit_records')
    .select(['chain', 'id'])
    .where('chain', '=', sql<string>`ANY(${[...byChain.keys()]})`)
    .where('id', '=', sql<string>`ANY(${[...byChain.values()].flat().map(({ id }) => id)}::uuid[])`)
    .execute();
  return new Set(rows.map(({ chain, id }) => `${chain} ${id}`));
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

function rowOf({ chain, month, sequence, previous, hash, record }: ChainedRecord) {
  return {
    ...{ chain, month, sequence, previous, hash },
    id: record.id,
    kind: record.kind,
    time: new Date(record.time),
    received: new Date(record.received),
    actor: record.actor,
    organization_id: record.organizationId ?? null,
    action: record.action,
    outcome: record.outcome,
    tenant_name: record.tenant?.name ?? null,
    tenant_uid: record.tenant?.uid ?? null,
    request_id: record.requestId ?? null,
    details: canonicalJson(record.details),
  };
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}
