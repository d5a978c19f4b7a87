import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Logger } from 'pino';
import type { SigningKey } from '../../audit/keys.ts';
import { type SignedHead, signHead } from '../../audit/statements.ts';
import { databaseTime, lockedChains } from './ledger.ts';
import type { AuditTables } from './tables.ts';

export interface HeadSignerOptions {
  readonly db: Kysely<AuditTables>;
  readonly key: SigningKey;
  /** Throws once this replica does not lead any more. */
  readonly assertLeading: () => void;
  readonly log: Logger;
}

/** What came of a signing. */
export interface Signing {
  /** Heads. */
  readonly signed: number;
  /** Months that are shorter than, or other than, their signed heads say. */
  readonly contradictions: number;
}

/** Chains locked at a time: appends to them wait meanwhile. */
const chainsAtATime = 50;

interface OpenHead {
  readonly chain: string;
  readonly month: string;
  readonly sequence: number;
  readonly hash: string;
}

/**
 * Signs the head of each chain that has moved, and closes months that are over: their last head is signed as final, after which the
 * ledger appends nothing to them.
 */
export class HeadSigner {
  readonly #options: HeadSignerOptions;

  constructor(options: HeadSignerOptions) {
    this.#options = options;
  }

  /** Signs what is due now. @throws what the driver throws. */
  async sign(): Promise<Signing> {
    const { db, assertLeading } = this.#options;
    let signed = 0;
    let contradictions = 0;
    for (let after = ''; ; ) {
      const chains = await this.#due(after);
      const last = chains.at(-1);
      if (last === undefined) return { signed, contradictions };
      assertLeading();
      const done = await db.transaction().execute((transaction) => this.#signChains(transaction, chains));
      signed += done.signed;
      contradictions += done.contradictions;
      after = last;
    }
  }

  /** Chains, in order, with something to sign. */
  async #due(after: string): Promise<string[]> {
    const rows = await due(this.#options.db)
      .select('audit_heads.chain')
      .distinct()
      .where('audit_heads.chain', '>', after)
      .orderBy('audit_heads.chain')
      .limit(chainsAtATime)
      .execute();
    return rows.map(({ chain }) => chain);
  }

  async #signChains(transaction: Transaction<AuditTables>, chains: readonly string[]): Promise<Signing> {
    const { key } = this.#options;
    const received = await lockedChains(transaction, chains);
    const now = new Date(await databaseTime(transaction));
    const heads: SignedHead[] = [];
    let contradictions = 0;
    for (const { chain, month, sequence, hash } of await openHeads(transaction, chains)) {
      // Nothing is received before what was received last, so a month before that one is over even if the clock was set back.
      const time = new Date(Math.max(now.getTime(), received.get(chain) ?? 0)).toISOString();
      const final = month < time.slice(0, 7);
      if (await this.#isFollowed(transaction, { chain, month, sequence, hash })) {
        heads.push(signHead(key, { chain, month, sequence, hash, final, signedAt: now.toISOString() }));
      } else contradictions += 1;
    }
    if (heads.length > 0) await store(transaction, heads, now);
    return { signed: heads.length, contradictions };
  }

  /** Whether the chain is where its newest signed head was, or further. One that is shorter was tampered with, and is not signed again. */
  async #isFollowed(transaction: Transaction<AuditTables>, { chain, month, sequence, hash }: OpenHead): Promise<boolean> {
    const newest = await transaction
      .selectFrom('audit_signed_heads')
      .select(['sequence', 'hash'])
      .where('chain', '=', chain)
      .where('month', '=', month)
      .orderBy('sequence', 'desc')
      .limit(1)
      .executeTakeFirst();
    const signed = Number(newest?.sequence ?? 0);
    if (signed < sequence || (signed === sequence && newest?.hash === hash)) return true;
    this.#options.log.error({ chain, month, sequence, signedSequence: signed }, 'audit chain contradicts its signed head');
    return false;
  }
}

/** Heads that have moved since they were signed, and those of months that are over: by the clock, or because the chain has gone on. */
function due(db: Kysely<AuditTables>) {
  return db
    .selectFrom('audit_heads')
    .innerJoin('audit_chains', 'audit_chains.chain', 'audit_heads.chain')
    .where('audit_heads.closed', '=', false)
    .where(({ or, eb, ref }) =>
      or([
        eb('audit_heads.signed_sequence', '<', ref('audit_heads.sequence')),
        eb('audit_heads.month', '<', monthOf(sql`greatest(clock_timestamp(), audit_chains.received)`)),
      ]),
    );
}

function monthOf(time: RawBuilder<unknown>) {
  return sql<string>`to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM')`;
}

async function openHeads(transaction: Transaction<AuditTables>, chains: readonly string[]): Promise<OpenHead[]> {
  const rows = await due(transaction)
    .select(['audit_heads.chain', 'audit_heads.month', 'audit_heads.sequence', 'audit_heads.hash'])
    .where('audit_heads.chain', '=', sql<string>`ANY(${[...chains]})`)
    .orderBy('audit_heads.chain')
    .orderBy('audit_heads.month')
    .execute();
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
}

async function store(transaction: Transaction<AuditTables>, heads: readonly SignedHead[], now: Date): Promise<void> {
  // Each vouches for all that is before it: of a month that is over the final one is kept, of others one an hour, and the newest.
  for (const { chain, month, final } of heads) {
    await transaction
      .deleteFrom('audit_signed_heads')
      .where('chain', '=', chain)
      .where('month', '=', month)
      .where('final', '=', false)
      .where('signed_at', '>=', final ? new Date(0) : startOfHour(now))
      .execute();
  }
  await transaction
    .insertInto('audit_signed_heads')
    .values(
      heads.map(({ chain, month, sequence, hash, final, signedAt, keyId, signature }) => ({
        ...{ chain, month, sequence, hash, final, signature },
        signed_at: new Date(signedAt),
        key_id: keyId,
      })),
    )
    // The same head, signed again: the first one stands.
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  for (const { chain, month, sequence, final } of heads) {
    await transaction
      .updateTable('audit_heads')
      .set({ signed_sequence: sequence, closed: final })
      .where('chain', '=', chain)
      .where('month', '=', month)
      .execute();
  }
  const closing = heads.filter(({ final }) => final).map(({ chain }) => chain);
  if (closing.length === 0) return;
  // From here on the ledger gives later times, and so later months, even if the clock is set back.
  await transaction
    .updateTable('audit_chains')
    .set({ received: sql`greatest(received, ${now})` })
    .where('chain', '=', sql<string>`ANY(${closing})`)
    .execute();
}

function startOfHour(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 3_600_000) * 3_600_000);
}
