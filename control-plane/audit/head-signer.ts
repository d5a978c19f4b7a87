import { type Kysely, sql, type Transaction } from 'kysely';
import type { Logger } from 'pino';
import { genesis, hashOf } from '../../audit/chain.ts';
import type { SigningKey } from '../../audit/signing-keys.ts';
import { isSignedHead, type SignedHead, signHead } from '../../audit/statements.ts';
import type { AuditTables } from '../store/tables/audit.ts';
import { ChainReader, type HeadCursor } from './chain-reader.ts';
import { databaseTime, lockedChains } from './ledger.ts';
import { firstWatchedMonth, type OpenHead, openHeads } from './open-heads.ts';

export interface HeadSignerOptions {
  readonly db: Kysely<AuditTables>;
  readonly key: SigningKey;
  /** Throws once this replica no longer leads. */
  readonly assertLeading: () => void;
  readonly log: Logger;
}

/** Result of a signing. */
export interface Signing {
  /** Number of signed heads. */
  readonly signed: number;
  /** Months that contradict their signed head or a head that this replica has seen. They are not signed. */
  readonly contradictions: number;
}

/** Chains locked by a transaction. Appends to them wait. */
const chainsAtATime = 50;
const headsAtATime = 500;

/**
 * Signs the head of each chain that has moved, and closes months that are over with a final head, after which the ledger appends no
 * record to them. An attacker with access to the database can forge all that is read here. So the signer first recomputes the records
 * since the newest signed head, signs only when they follow from it, and remembers the heads that it has seen.
 */
export class HeadSigner {
  readonly #options: HeadSignerOptions;
  readonly #reader: ChainReader;
  /** Heads with valid signatures, by chain and month. */
  readonly #seen = new Map<string, SignedHead>();

  constructor(options: HeadSignerOptions) {
    this.#options = options;
    this.#reader = new ChainReader(options.db);
  }

  /** Signs all heads that are due. @throws errors of the driver. */
  async sign(signal: AbortSignal = new AbortController().signal): Promise<Signing> {
    const { db, assertLeading } = this.#options;
    const unseen = new Map(this.#seen);
    let signed = 0;
    let contradictions = 0;
    for (let after: HeadCursor = { chain: '', month: '' }; ; ) {
      const page = await openHeads(db, after, headsAtATime);
      const due: OpenHead[] = [];
      for (const head of page) {
        unseen.delete(nameOf(head));
        const [verdict, why] = await this.#judge(head, signal);
        if (verdict === 'due') due.push(head);
        if (verdict !== 'contradiction') continue;
        contradictions += 1;
        this.#contradiction(head, why);
      }
      for (let start = 0; start < due.length; start += chainsAtATime) {
        assertLeading();
        const heads = due.slice(start, start + chainsAtATime);
        const done = await db.transaction().execute((transaction) => this.#signHeads(transaction, heads));
        for (const head of done) this.#seen.set(nameOf(head), head);
        signed += done.length;
      }
      const last = page.at(-1);
      if (last === undefined || page.length < headsAtATime) break;
      after = last;
    }
    return { signed, contradictions: contradictions + (await this.#disappeared(unseen)) };
  }

  async #judge(head: OpenHead, signal: AbortSignal): Promise<readonly ['signed' | 'due' | 'contradiction', string]> {
    const { newest, sequence, hash, over } = head;
    const seen = this.#seen.get(nameOf(head));
    if (newest !== undefined && newest.signature !== seen?.signature) {
      if (!isSignedHead(this.#options.key.trusted, newest)) return ['contradiction', 'the signature of its newest head is not valid'];
    }
    if (seen !== undefined && (newest?.sequence ?? 0) < seen.sequence) return ['contradiction', 'a signed head is missing'];
    if (newest !== undefined) {
      this.#seen.set(nameOf(head), newest);
      if (newest.sequence > sequence) return ['contradiction', 'records that were signed are missing'];
      if (newest.sequence === sequence && newest.hash !== hash) return ['contradiction', 'its last record is not the signed one'];
      if (newest.sequence === sequence && (newest.final || !over)) return ['signed', ''];
      if (newest.final) return ['contradiction', 'records follow its final head'];
    }
    const fault = await this.#faultSince(newest, head, signal);
    return fault === undefined ? ['due', ''] : ['contradiction', fault];
  }

  /** The fault of the records after the newest signed head; undefined when they lead from there to the end of the month. */
  async #faultSince(newest: SignedHead | undefined, head: OpenHead, signal: AbortSignal): Promise<string | undefined> {
    const { chain, month } = head;
    let previous = newest?.hash ?? (await this.#endBefore(chain, month));
    let sequence = newest?.sequence ?? 0;
    if (sequence < head.sequence) {
      for await (const record of this.#reader.records(chain, month, signal, newest?.sequence)) {
        sequence += 1;
        if (record.sequence !== sequence || hashOf(record) !== record.hash) return `record ${sequence} does not match its hash`;
        if (previous !== undefined && record.previous !== previous) return `record ${sequence} does not follow the record before it`;
        previous = record.hash;
        // Records that were appended since are signed the next time.
        if (sequence === head.sequence) break;
      }
    }
    return sequence === head.sequence && previous === head.hash ? undefined : `its records end at ${sequence}`;
  }

  /** Hash that the first record of a month must contain; undefined while the month before has no final head. */
  async #endBefore(chain: string, month: string): Promise<string | undefined> {
    const start = await this.#reader.start({ chain, startedMonths: [] }, month);
    if (start === 'beginning') return genesis;
    return start !== undefined && isSignedHead(this.#options.key.trusted, start) ? start.hash : undefined;
  }

  async #signHeads(transaction: Transaction<AuditTables>, due: readonly OpenHead[]): Promise<SignedHead[]> {
    const received = await lockedChains(transaction, [...new Set(due.map(({ chain }) => chain))]);
    const now = new Date(await databaseTime(transaction));
    const ends = await endsOf(transaction, due);
    const heads = due.map(({ chain, month, sequence, hash }) => {
      // No record is received earlier than the last one, so earlier months are over even if the clock was set back.
      const time = new Date(Math.max(now.getTime(), received.get(chain) ?? 0)).toISOString();
      const final = month < time.slice(0, 7) && ends.get(`${chain} ${month}`) === sequence;
      return signHead(this.#options.key, { chain, month, sequence, hash, final, signedAt: now.toISOString() });
    });
    await store(transaction, heads, now);
    return heads;
  }

  /** Reports months that have disappeared. @returns their number. */
  async #disappeared(unseen: ReadonlyMap<string, SignedHead>): Promise<number> {
    if (unseen.size === 0) return 0;
    const first = await firstWatchedMonth(this.#options.db);
    let count = 0;
    for (const [name, head] of unseen) {
      if (head.month < first) this.#seen.delete(name);
      else {
        count += 1;
        this.#contradiction(head, 'the month has disappeared');
      }
    }
    return count;
  }

  #contradiction({ chain, month, sequence }: Pick<OpenHead, 'chain' | 'month' | 'sequence'>, why: string): void {
    this.#options.log.error({ chain, month, sequence, why }, 'audit chain contradicts its signed head');
  }
}

function nameOf({ chain, month }: HeadCursor): string {
  return `${chain} ${month}`;
}

/** Sequence of the last record of each month. */
async function endsOf(transaction: Transaction<AuditTables>, heads: readonly HeadCursor[]): Promise<Map<string, number>> {
  const rows = await transaction
    .selectFrom('audit_heads')
    .select(['chain', 'month', 'sequence'])
    .where('chain', '=', sql<string>`ANY(${heads.map(({ chain }) => chain)})`)
    .execute();
  return new Map(rows.map((row) => [nameOf(row), Number(row.sequence)]));
}

/** Stores signed heads. A head that another replica signed further on stays. */
async function store(transaction: Transaction<AuditTables>, heads: readonly SignedHead[], now: Date): Promise<void> {
  const column = (read: (head: SignedHead) => string | number | boolean) => heads.map(read);
  await sql`
    UPDATE audit_heads AS stored SET signed_sequence = head.sequence, signed_hash = head.hash, final = head.final,
      signed_at = head.signed_at, key_id = head.key_id, signature = head.signature
    FROM unnest(
      ${column(({ chain }) => chain)}::text[],
      ${column(({ month }) => month)}::text[],
      ${column(({ sequence }) => sequence)}::bigint[],
      ${column(({ hash }) => hash)}::text[],
      ${column(({ final }) => final)}::boolean[],
      ${column(({ signedAt }) => signedAt)}::timestamptz[],
      ${column(({ keyId }) => keyId)}::text[],
      ${column(({ signature }) => signature)}::text[]
    ) AS head (chain, month, sequence, hash, final, signed_at, key_id, signature)
    WHERE stored.chain = head.chain AND stored.month = head.month AND (stored.signature IS NULL
      OR stored.signed_sequence < head.sequence OR (stored.signed_sequence = head.sequence AND head.final))`.execute(transaction);
  const closing = heads.filter(({ final }) => final);
  if (closing.length === 0) return;
  // The ledger gives later times from here on, and so later months, even if the clock is set back.
  await transaction
    .updateTable('audit_chains')
    .set({ received: sql`greatest(received, ${now})` })
    .where('chain', '=', sql<string>`ANY(${closing.map(({ chain }) => chain)})`)
    .execute();
}
