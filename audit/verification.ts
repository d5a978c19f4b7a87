import { type ChainedRecord, genesis, hashOf } from './chain.ts';
import type { TrustedKeys } from './signing-keys.ts';
import { isSignedHead, isSignedRemoval, type SignedHead, type SignedRemoval } from './statements.ts';

/** Kinds of faults. They are part of the API: kinds are added and never renamed. */
export const faultKinds = [
  /** The record does not match its hash: it was changed. */
  'changed',
  /** A record is missing, or another record is in its place. */
  'sequence',
  /** The record does not follow the one before it: an earlier record was changed, removed or moved. */
  'link',
  /** A signed head names another record: this one or an earlier one was rewritten. */
  'rewritten',
  /** Records at the end are missing. */
  'truncated',
  /** The signature of a head or removal is not valid. */
  'signature',
  /** A head or removal is signed with a key that is not trusted. */
  'unknown-key',
  /** The month was closed, and its signed head is missing. */
  'head-missing',
  /** The list of chains does not have the chain, or has it under another tenant's name: readers of that tenant's records do not see it. */
  'unlisted',
] as const;

export interface Fault {
  readonly kind: (typeof faultKinds)[number];
  /** Sequence of the first wrong record. */
  readonly sequence: number;
  readonly recordId?: string;
  readonly detail: string;
}

/** Result of a verification. A verification that found nothing to check is not a success. */
export type Verdict = 'intact' | 'broken' | 'nothing-checked';

export function verdictOf(months: readonly MonthVerdict[]): Verdict {
  if (months.some(({ state }) => state === 'broken')) return 'broken';
  return months.length === 0 ? 'nothing-checked' : 'intact';
}

export interface MonthVerdict {
  readonly chain: string;
  readonly month: string;
  /** `removed`: retention removed the records, as a signed statement says, and the signed head is there. */
  readonly state: 'intact' | 'removed' | 'broken';
  /** Records that were read. */
  readonly records: number;
  /** Sequence of the last record that a signed head covers. Later records are linked but not signed yet. */
  readonly signedThrough: number;
  /** Whether the signed head is final. */
  readonly closed: boolean;
  readonly fault?: Fault;
}

/** Everything about a month except its records. */
export interface MonthClaims {
  readonly month: string;
  readonly heads: readonly SignedHead[];
  readonly removal?: SignedRemoval | undefined;
  /** Whether the platform's chain records the month's start, so that the month must have a record. */
  readonly started?: boolean | undefined;
  /** The month's last record and whether the month is closed, as the ledger wrote them. Not signed. */
  readonly end?: { readonly sequence: number; readonly hash: string; readonly closed: boolean } | undefined;
}

/** Verifies one chain, month by month. It holds no records in memory. */
export class ChainVerification {
  readonly #chain: string;
  readonly #keys: TrustedKeys;
  /** Hash that the next record must contain; undefined when unknown. */
  #previous: string | undefined;
  #month: Month | undefined;

  /** @param start `beginning` for the chain's first month; else the final head of the month before, or undefined when there is none. */
  constructor(chain: string, keys: TrustedKeys, start: 'beginning' | SignedHead | undefined) {
    this.#chain = chain;
    this.#keys = keys;
    if (start === 'beginning') this.#previous = genesis;
    else if (start?.final && start.chain === chain && isSignedHead(keys, start)) this.#previous = start.hash;
  }

  /** Begins a month, and discards a month that has not ended. */
  begin(claims: MonthClaims): void {
    this.#month = new Month(this.#chain, this.#keys, claims, this.#previous);
  }

  /** Checks the next record of the month. */
  add(record: ChainedRecord): void {
    this.#month?.add(record);
  }

  /** Ends the month. @returns undefined when no month has begun. */
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
  /** A fault of a record is reported before a fault of a head or removal, because it is more precise. */
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
        ? { kind: 'signature', sequence, detail: `the signature of a ${what} is not valid` }
        : { kind: 'unknown-key', sequence, detail: `a ${what} is signed with the key ${keyId}, which is not trusted` };
      return false;
    };
    for (const head of claims.heads) if (trusted(head, 'signed head', isSignedHead)) this.#expect(head);
    const { removal } = claims;
    if (removal !== undefined && trusted(removal, 'removal', isSignedRemoval)) this.#removal = removal;
  }

  add(found: ChainedRecord): void {
    this.#records += 1;
    // Records of a month that is being removed are not checked, and neither are records after the first fault.
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
      return ['sequence', `expected record ${sequence}, found record ${found.sequence}`];
    }
    if (hashOf(found) !== found.hash) return ['changed', 'the record does not match its hash'];
    if (this.#previous !== undefined && found.previous !== this.#previous) {
      return ['link', `the record does not follow the ${sequence === 1 ? 'month' : 'record'} before it`];
    }
    const { end } = this.#claims;
    if (end?.sequence === sequence && end.hash !== found.hash) return ['rewritten', 'the chain continues from another record'];
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
    // After a broken month, the next one must follow the signed head.
    const last = this.#removal?.hash ?? (this.#fault === undefined ? this.#previous : final?.hash);
    return { verdict, last };
  }

  #faultOfEnd(final: SignedHead | undefined): Fault | undefined {
    const { end } = this.#claims;
    const sequence = this.#sequence;
    const due = Math.max(0, end?.sequence ?? 0, ...this.#signed.keys());
    if (sequence === 0 && due === 0 && this.#claims.started) {
      return {
        kind: 'truncated',
        sequence: 1,
        detail: "the platform's chain records the start of the month, but all its records are missing",
      };
    }
    if (sequence < due) {
      return { kind: 'truncated', sequence: sequence + 1, detail: `the month has ${due} records; the records from here on are missing` };
    }
    if (final !== undefined && sequence > final.sequence) {
      return { kind: 'sequence', sequence: final.sequence + 1, detail: 'the month was closed before this record' };
    }
    if (end?.closed && final === undefined && this.#faultOfClaims === undefined) {
      return { kind: 'head-missing', sequence, detail: 'the month was closed, and its signed head is missing' };
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
  return { kind: 'head-missing', sequence, detail: 'the signed head of the removed month is missing' };
}
