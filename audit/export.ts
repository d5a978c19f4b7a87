import type { ChainedRecord } from './chain.ts';
import { type PublicKey, TrustedKeys } from './keys.ts';
import type { SignedHead, SignedRemoval } from './statements.ts';
import { ChainVerification, type MonthVerdict } from './verification.ts';

/** A line of an export. Chains follow each other; in each, months in order; in each month, signed heads before records. */
export type ExportLine =
  | { readonly type: 'export'; readonly version: 1; readonly time: string; readonly from?: string; readonly to?: string }
  | ({ readonly type: 'key' } & PublicKey)
  /** `beginning`: the export has the chain from its first month; else `before` is the head of the month before, if that was signed. */
  | {
      readonly type: 'chain';
      readonly chain: string;
      readonly tenant?: string;
      readonly beginning: boolean;
      readonly before?: SignedHead;
    }
  | { readonly type: 'month'; readonly chain: string; readonly month: string }
  | ({ readonly type: 'head' } & SignedHead)
  | ({ readonly type: 'removal' } & SignedRemoval)
  | ({ readonly type: 'record' } & ChainedRecord)
  /** The last line: without it the export is not whole. */
  | { readonly type: 'end'; readonly records: number };

export interface ExportVerdict {
  /** Whether the export is whole and nothing in it is broken. */
  readonly ok: boolean;
  /** Whether its last line is there, and as many records as that says. */
  readonly whole: boolean;
  readonly records: number;
  readonly months: readonly MonthVerdict[];
  /** Ids of the keys that were trusted. Compare them with ids you have from elsewhere, unless you gave the keys. */
  readonly keys: readonly string[];
  /** Number, from 1, and fault of the first line that cannot be read. */
  readonly unreadable?: { readonly line: number; readonly detail: string };
}

export interface ExportTrust {
  /** Public keys, as GET /admin/audit/keys gives them, that you have kept; left out: those in the export itself. */
  readonly keys?: readonly unknown[];
  /** Signed heads that were shipped out before: the export must agree with them, too. */
  readonly heads?: readonly SignedHead[];
}

/** Verifies an export without any access to where it comes from. `lines`: its lines, in order. Holds one month's signed heads in memory. */
export async function verifyExport(lines: AsyncIterable<string> | Iterable<string>, trust: ExportTrust = {}): Promise<ExportVerdict> {
  const reading = new ExportReading(trust);
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    try {
      reading.read(JSON.parse(line) as ExportLine);
    } catch (error) {
      return reading.verdict({ line: number, detail: error instanceof Error ? error.message : 'it cannot be read' });
    }
  }
  return reading.verdict(undefined);
}

class ExportReading {
  readonly #shipped: readonly SignedHead[];
  readonly #given: TrustedKeys | undefined;
  readonly #found: PublicKey[] = [];
  readonly #months: MonthVerdict[] = [];
  #keys: TrustedKeys;
  #verification: ChainVerification | undefined;
  /** A month whose records have not begun. */
  #month: { readonly month: string; readonly heads: SignedHead[]; removal?: SignedRemoval } | undefined;
  #records = 0;
  #promised: number | undefined;
  #range: { readonly from?: string; readonly to?: string } = {};
  readonly #chains = new Set<string>();

  constructor({ keys, heads = [] }: ExportTrust) {
    this.#given = keys === undefined ? undefined : new TrustedKeys(keys);
    this.#keys = this.#given ?? new TrustedKeys([]);
    this.#shipped = heads;
  }

  read(line: ExportLine): void {
    if (this.#promised !== undefined) throw new Error('something follows the last line');
    switch (line.type) {
      case 'export':
        if (line.version !== 1) throw new Error(`this is an export of version ${String(line.version)}; version 1 is known here`);
        this.#range = line;
        return;
      case 'key':
        this.#found.push(line);
        if (this.#given === undefined) this.#keys = new TrustedKeys(this.#found);
        return;
      case 'chain': {
        this.#endChain();
        this.#chains.add(line.chain);
        const start = line.beginning ? 'beginning' : line.before;
        this.#verification = new ChainVerification(line.chain, this.#keys, start);
        return;
      }
      case 'month': {
        if (this.#verification === undefined) throw new Error('a month stands outside its chain');
        this.#endMonth();
        const { chain, month } = line;
        const shipped = this.#shipped.filter((head) => head.chain === chain && head.month === month);
        this.#month = { month, heads: [...shipped] };
        return;
      }
      case 'head':
      case 'removal': {
        if (this.#month === undefined) throw new Error(`a ${line.type} stands outside its month`);
        const { type, ...statement } = line;
        if (type === 'head') this.#month.heads.push(statement as SignedHead);
        else this.#month.removal = statement as SignedRemoval;
        return;
      }
      case 'record': {
        this.#beginMonth();
        if (this.#verification === undefined) throw new Error('a record stands outside its chain');
        const { type: _, ...record } = line;
        this.#records += 1;
        this.#verification.add(record);
        return;
      }
      case 'end':
        this.#endChain();
        this.#promised = line.records;
        return;
      default:
        throw new Error('this is no line of an export');
    }
  }

  verdict(unreadable: ExportVerdict['unreadable']): ExportVerdict {
    this.#endChain();
    const whole = this.#promised === this.#records && unreadable === undefined;
    const months = [...this.#months, ...this.#missing()];
    return {
      ok: whole && months.every(({ state }) => state !== 'broken'),
      whole,
      records: this.#records,
      months,
      keys: this.#keys.all.map(({ kid }) => kid),
      ...(unreadable === undefined ? {} : { unreadable }),
    };
  }

  /** Months of which heads were shipped out, and of which the export should have something and has nothing. */
  #missing(): MonthVerdict[] {
    const { from = '', to = '9999-12' } = this.#range;
    const missing = this.#shipped.filter(
      ({ chain, month }) =>
        this.#chains.has(chain) &&
        month >= from &&
        month <= to &&
        !this.#months.some((known) => known.chain === chain && known.month === month),
    );
    const byMonth = Map.groupBy(missing, ({ chain, month }) => `${chain} ${month}`);
    return [...byMonth.values()].flatMap(([head]) => {
      if (head === undefined) return [];
      const { chain, month } = head;
      const detail = 'a head of this month was shipped out, and the export has nothing of it';
      return [
        {
          chain,
          month,
          state: 'broken' as const,
          records: 0,
          signedThrough: 0,
          closed: false,
          fault: { kind: 'truncated' as const, sequence: 1, detail },
        },
      ];
    });
  }

  #beginMonth(): void {
    if (this.#month === undefined) return;
    const month = this.#month;
    this.#month = undefined;
    this.#verification?.begin(month);
  }

  #endMonth(): void {
    this.#beginMonth();
    const verdict = this.#verification?.end();
    if (verdict !== undefined) this.#months.push(verdict);
  }

  #endChain(): void {
    this.#endMonth();
    this.#verification = undefined;
  }
}
