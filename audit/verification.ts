import { type ChainedRecord, genesis, hashOf } from './chain.ts';
import type { TrustedKeys } from './signing-keys.ts';
import { isSignedHead, isSignedRemoval, type SignedHead, type SignedRemoval } from './statements.ts';

/** What can be wrong with a chain; API, added to and never renamed. */
export const faultKinds = [
  /** The record is not what its hash says: it was changed. */
  'changed',
  /** Another record than the next one stands here: one was removed, put in, or moved. */
  'sequence',
  /** The record does not follow the one before it: something before it was changed, removed or moved. */
  'link',
  /** The record is not the one that was signed: it or something before it was rewritten. */
  'rewritten',
  /** Records at the end are missing. */
  'truncated',
  /** A signed head, or statement of removal, is not what was signed. */
  'signature',
  /** A statement is signed by a key that is not trusted here. */
  'unknown-key',
  /** The month was closed, and its signed head is gone. */
  'head-missing',
  /** The chain is not in the list of chains, or there under another tenant's name: who reads that tenant's chains does not see it. */
  'unlisted',
] as const;

export interface Fault {
  readonly kind: (typeof faultKinds)[number];
  /** Of the first record that is not as it must be. */
  readonly sequence: number;
  readonly recordId?: string;
  readonly detail: string;
}

/** What came of a verification. Where nothing was there to be checked, nothing is well. */
export type Verdict = 'intact' | 'broken' | 'nothing-checked';

export function verdictOf(months: readonly MonthVerdict[]): Verdict {
  if (months.some(({ state }) => state === 'broken')) return 'broken';
  return months.length === 0 ? 'nothing-checked' : 'intact';
}

export interface MonthVerdict {
  readonly chain: string;
  readonly month: string;
  /** `removed`: its records are gone because of their age, as a signed statement says; its signed head stands. */
  readonly state: 'intact' | 'removed' | 'broken';
  /** Records that were looked at. */
  readonly records: number;
  /** Sequence up to which a signed head vouches for the records. What follows is linked, but not signed yet. */
  readonly signedThrough: number;
  /** Whether a signed head says that nothing follows in this month. */
  readonly closed: boolean;
  readonly fault?: Fault;
}

/** What is known of a month besides its records. */
export interface MonthClaims {
  readonly month: string;
  readonly heads: readonly SignedHead[];
  readonly removal?: SignedRemoval | undefined;
  /** Whether the platform's chain says that the month began: then it has a record. */
  readonly begun?: boolean | undefined;
  /** Where the keeper of the chain says the month ends, and whether it has closed it. */
  readonly end?: { readonly sequence: number; readonly hash: string; readonly closed: boolean } | undefined;
}

/** Checks one chain, month by month, in order; holds one month's signed heads in memory and no record. */
export class ChainVerification {
  readonly #chain: string;
  readonly #keys: TrustedKeys;
  /** Hash that the next record must follow; undefined where it cannot be known. */
  #previous: string | undefined;
  #month: Month | undefined;

  /** @param start `beginning` where no month is before the first one here; the head of that month; undefined where it is not known. */
  constructor(chain: string, keys: TrustedKeys, start: 'beginning' | SignedHead | undefined) {
    this.#chain = chain;
    this.#keys = keys;
    if (start === 'beginning') this.#previous = genesis;
    else if (start?.final && start.chain === chain && isSignedHead(keys, start)) this.#previous = start.hash;
  }

  /** Begins a month; one that has begun and not ended is forgotten. */
  begin(claims: MonthClaims): void {
    this.#month = new Month(this.#chain, this.#keys, claims, this.#previous);
  }

  /** The next record of the month. */
  add(record: ChainedRecord): void {
    this.#month?.add(record);
  }

  /** Ends the month, if one has begun. */
  end(): MonthVerdict | undefined {
    if (this.#month === undefined) return undefined;
    const { verdict, last } = this.#month.end();
    this.#previous = last;
    this.#month = undefined;
    return verdict;
  }
}

class Month {
  readonly #chain: string;
  readonly #claims: MonthClaims;
  readonly #signed = new Map<number, SignedHead>();
  readonly #removal: SignedRemoval | undefined;
  #previous: string | undefined;
  #sequence = 0;
  #records = 0;
  #signedThrough = 0;
  /** Of a record; it goes before that of a claim, because it says what was done. */
  #fault: Fault | undefined;
  #faultOfClaims: Fault | undefined;

  constructor(chain: string, keys: TrustedKeys, claims: MonthClaims, previous: string | undefined) {
    this.#chain = chain;
    this.#claims = claims;
    this.#previous = previous;
    const trusted = <T extends SignedHead | SignedRemoval>(claim: T, what: string, signed: (keys: TrustedKeys, claim: T) => boolean) => {
      const { sequence, keyId } = claim;
      const mine = claim.chain === chain && claim.month === claims.month;
      if (mine && signed(keys, claim)) return true;
      this.#faultOfClaims ??= keys.has(keyId)
        ? { kind: 'signature', sequence, detail: `a ${what} is not what was signed` }
        : { kind: 'unknown-key', sequence, detail: `a ${what} is signed by ${keyId}, which is not a trusted key` };
      return false;
    };
    for (const head of claims.heads) if (trusted(head, 'signed head', isSignedHead)) this.#expect(head);
    const { removal } = claims;
    if (removal !== undefined && trusted(removal, 'statement of removal', isSignedRemoval)) this.#removal = removal;
  }

  add(found: ChainedRecord): void {
    this.#records += 1;
    // The rest of a month whose removal is under way says nothing, and after the first fault nothing can be said.
    if (this.#fault !== undefined || this.#removal !== undefined) return;
    const sequence = this.#sequence + 1;
    const [kind, detail] = this.#faultOf(found, sequence) ?? [];
    if (kind !== undefined && detail !== undefined) {
      this.#fault = { kind, sequence, recordId: found.record.id, detail };
      return;
    }
    if (this.#signed.has(sequence)) this.#signedThrough = sequence;
    this.#sequence = sequence;
    this.#previous = found.hash;
  }

  #faultOf(found: ChainedRecord, sequence: number): readonly [Fault['kind'], string] | undefined {
    if (found.sequence !== sequence || found.chain !== this.#chain || found.month !== this.#claims.month) {
      return ['sequence', `record ${sequence} is due, record ${found.sequence} was found`];
    }
    if (hashOf(found) !== found.hash) return ['changed', 'the record is not what its hash says'];
    if (this.#previous !== undefined && found.previous !== this.#previous) {
      return ['link', `the record does not follow ${sequence === 1 ? 'the month' : 'the one'} before it`];
    }
    const { end } = this.#claims;
    if (end?.sequence === sequence && end.hash !== found.hash) return ['rewritten', 'the chain goes on from another record'];
    const signed = this.#signed.get(sequence);
    if (signed !== undefined && signed.hash !== found.hash) return ['rewritten', `another record was signed at ${signed.signedAt}`];
    return undefined;
  }

  end(): { verdict: MonthVerdict; last: string | undefined } {
    const final = [...this.#signed.values()].find((head) => head.final);
    this.#fault ??= (this.#removal === undefined ? this.#faultOfEnd(final) : faultOfRemoval(this.#removal, final)) ?? this.#faultOfClaims;
    const verdict: MonthVerdict = {
      chain: this.#chain,
      month: this.#claims.month,
      state: this.#fault !== undefined ? 'broken' : this.#removal === undefined ? 'intact' : 'removed',
      records: this.#records,
      signedThrough: this.#removal?.sequence ?? this.#signedThrough,
      closed: final !== undefined,
      ...(this.#fault === undefined ? {} : { fault: this.#fault }),
    };
    // The next month must follow what was signed, where this one is broken.
    const last = this.#removal?.hash ?? (this.#fault === undefined ? this.#previous : final?.hash);
    return { verdict, last };
  }

  #faultOfEnd(final: SignedHead | undefined): Fault | undefined {
    const { end } = this.#claims;
    const sequence = this.#sequence;
    const due = Math.max(0, end?.sequence ?? 0, ...this.#signed.keys());
    if (sequence === 0 && due === 0 && this.#claims.begun) {
      return { kind: 'truncated', sequence: 1, detail: "the month began, as the platform's chain says, and nothing of it is there" };
    }
    if (sequence < due) {
      return { kind: 'truncated', sequence: sequence + 1, detail: `the month has ${due} records; those from here on are missing` };
    }
    if (final !== undefined && sequence > final.sequence) {
      return { kind: 'sequence', sequence: final.sequence + 1, detail: 'the month was closed before this record' };
    }
    if (end?.closed && final === undefined && this.#faultOfClaims === undefined) {
      return { kind: 'head-missing', sequence, detail: 'the month was closed, and its signed head is gone' };
    }
    return undefined;
  }

  #expect(head: SignedHead): void {
    const { sequence, hash } = head;
    const other = this.#signed.get(sequence);
    if (other !== undefined && other.hash !== hash) {
      this.#faultOfClaims ??= { kind: 'rewritten', sequence, detail: 'two signed heads contradict each other' };
    }
    if (other === undefined || head.final) this.#signed.set(sequence, head);
  }
}

function faultOfRemoval({ sequence, hash }: SignedRemoval, final: SignedHead | undefined): Fault | undefined {
  if (final?.sequence === sequence && final.hash === hash) return undefined;
  return { kind: 'head-missing', sequence, detail: 'the signed head of the removed month does not stand' };
}
