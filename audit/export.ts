import { createHash } from 'node:crypto';
import { platformChain } from './chain.ts';
import { type ExportLine, type ExportScope, inRange, type KeptHead, lackOf, mustHave } from './export-lines.ts';
import { type MonthStart, monthStartIn } from './month-start.ts';
import { type PublicKey, TrustedKeys } from './signing-keys.ts';
import { isSignedEnd, type SignedEnd, type SignedHead, type SignedRemoval } from './statements.ts';
import { ChainVerification, type Fault, type MonthVerdict, type Verdict, verdictOf } from './verification.ts';

export interface ExportVerdict {
  readonly verdict: Verdict;
  /** Whether the verdict is `intact`. */
  readonly ok: boolean;
  /** Whether its last line is there, and as many records and the lines that that says. */
  readonly whole: boolean;
  /** Whether its last line is signed by a trusted key: what it says of its scope is so. */
  readonly signed: boolean;
  /** What it has, as it says itself. */
  readonly scope: ExportScope;
  /** What it lacks of what was wanted. */
  readonly lack?: string;
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
  /** Signed heads that were kept elsewhere, as GET /admin/audit/heads gives them: the export must agree with them, too. */
  readonly heads?: readonly KeptHead[];
  /** What the export must have; left out: what it says itself. */
  readonly wanted?: ExportScope;
}

/** Verifies an export without any access to where it comes from. `lines`: its lines, in order. Holds one month's signed heads in memory. */
export async function verifyExport(lines: AsyncIterable<string> | Iterable<string>, trust: ExportTrust = {}): Promise<ExportVerdict> {
  const reading = new ExportReading(trust);
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    try {
      reading.read(JSON.parse(line) as ExportLine, line);
    } catch (error) {
      return reading.verdict({ line: number, detail: error instanceof Error ? error.message : 'it cannot be read' });
    }
  }
  return reading.verdict(undefined);
}

class ExportReading {
  readonly #kept: readonly KeptHead[];
  readonly #given: TrustedKeys | undefined;
  readonly #wanted: ExportScope | undefined;
  readonly #found: PublicKey[] = [];
  readonly #months: MonthVerdict[] = [];
  readonly #chains = new Set<string>();
  /** What the platform's chain says of the others. */
  readonly #begun: MonthStart[] = [];
  readonly #digest = createHash('sha256');
  #keys: TrustedKeys;
  #verification: ChainVerification | undefined;
  /** A month whose records have not begun. */
  #month: { readonly month: string; readonly begun: boolean; readonly heads: SignedHead[]; removal?: SignedRemoval } | undefined;
  #records = 0;
  #end: { readonly whole: boolean; readonly signed: boolean } | undefined;
  #scope: ExportScope = {};

  constructor({ keys, heads = [], wanted }: ExportTrust) {
    this.#given = keys === undefined ? undefined : new TrustedKeys(keys);
    this.#keys = this.#given ?? new TrustedKeys([]);
    this.#kept = heads;
    this.#wanted = wanted;
  }

  /** @param text the line as it stands in the file. @throws Error for what can be no line there. */
  read(line: ExportLine, text: string): void {
    if (this.#end !== undefined) throw new Error('something follows the last line');
    if (line.type === 'end') {
      this.#finish(line);
      return;
    }
    this.#digest.update(`${text}\n`);
    switch (line.type) {
      case 'export':
        if (line.version !== 1) throw new Error(`this is an export of version ${String(line.version)}; version 1 is known here`);
        if (typeof line.scope !== 'object' || line.scope === null) throw new Error('it does not say what it has');
        this.#scope = line.scope;
        return;
      case 'key':
        this.#found.push(line);
        if (this.#given === undefined) this.#keys = new TrustedKeys(this.#found);
        return;
      case 'chain':
        this.#endChain();
        this.#chains.add(line.chain);
        this.#verification = new ChainVerification(line.chain, this.#keys, line.beginning ? 'beginning' : line.before);
        return;
      case 'month': {
        if (this.#verification === undefined) throw new Error('a month stands outside its chain');
        this.#endMonth();
        const { chain, month, begun } = line;
        const heads = this.#kept.filter((head) => head.chain === chain && head.month === month);
        this.#month = { month, begun: begun === true, heads };
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
        const begun = record.chain === platformChain ? monthStartIn(record.record) : undefined;
        if (begun !== undefined) this.#begun.push(begun);
        return;
      }
      default:
        throw new Error('this is no line of an export');
    }
  }

  verdict(unreadable: ExportVerdict['unreadable']): ExportVerdict {
    this.#endChain();
    const { whole, signed } = unreadable === undefined && this.#end !== undefined ? this.#end : { whole: false, signed: false };
    const months = [...this.#months, ...this.#missing()];
    const lack = this.#wanted && lackOf(this.#scope, this.#wanted);
    const verdict = whole && signed && lack === undefined ? verdictOf(months) : 'broken';
    return {
      verdict,
      ok: verdict === 'intact',
      whole,
      signed,
      scope: this.#scope,
      ...(lack === undefined ? {} : { lack }),
      records: this.#records,
      months,
      keys: this.#keys.all.map(({ kid }) => kid),
      ...(unreadable === undefined ? {} : { unreadable }),
    };
  }

  #finish(end: SignedEnd): void {
    this.#endChain();
    const whole = end.records === this.#records && end.sha256 === this.#digest.digest('hex');
    this.#end = { whole, signed: whole && isSignedEnd(this.#keys, end) };
  }

  /** Months of which the export should have something, as kept heads or its own platform chain say, and has nothing. */
  #missing(): MonthVerdict[] {
    const detail = new Map<string, readonly [MonthStart, string]>();
    const miss = (month: MonthStart, why: string) => detail.set(`${month.chain} ${month.month}`, [month, why]);
    for (const begun of this.#begun) {
      if (inRange(begun.month, this.#scope)) miss(begun, "the month began, as the platform's chain says, and the export has nothing of it");
    }
    for (const head of this.#kept) {
      if (mustHave(this.#scope, head, this.#chains.has(head.chain)))
        miss(head, 'a head of this month was kept, and the export has nothing of it');
    }
    for (const { chain, month } of this.#months) detail.delete(`${chain} ${month}`);
    return [...detail.values()].map(([{ chain, month }, why]) => missingMonth(chain, month, why));
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

/** The verdict of a month that should be there and is not. */
function missingMonth(chain: string, month: string, detail: string): MonthVerdict {
  const fault: Fault = { kind: 'truncated', sequence: 1, detail };
  return { chain, month, state: 'broken', records: 0, signedThrough: 0, closed: false, fault };
}
