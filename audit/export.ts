import { createHash } from 'node:crypto';
import { platformChain } from './chain.ts';
import { type ExportLine, type ExportScope, inRange, type KeptHead, missingFrom, mustHave } from './export-lines.ts';
import { type MonthStart, monthStartIn } from './month-start.ts';
import { type PublicKey, TrustedKeys } from './signing-keys.ts';
import { isSignedEnd, type SignedEnd, type SignedHead, type SignedRemoval } from './statements.ts';
import { ChainVerification, type Fault, type MonthVerdict, type Verdict, verdictOf } from './verification.ts';

export interface ExportVerdict {
  readonly verdict: Verdict;
  /** Whether the verdict is `intact`. */
  readonly ok: boolean;
  /** Whether the last line is there and matches all lines before it. */
  readonly whole: boolean;
  /** Whether the last line is signed with a trusted key. Then the scope is authentic. */
  readonly signed: boolean;
  /** The scope that the first line states. */
  readonly scope: ExportScope;
  /** The difference between the scope and the wanted scope. */
  readonly missing?: string;
  readonly records: number;
  readonly months: readonly MonthVerdict[];
  /** Ids of the trusted keys. Unless the caller passed the keys, compare the ids with another source. */
  readonly keys: readonly string[];
  /** Number (from 1) and fault of the first line that cannot be read. */
  readonly unreadable?: { readonly line: number; readonly detail: string };
}

export interface ExportTrust {
  /** Public keys from GET /admin/audit/keys that were kept; default: the keys in the export. */
  readonly keys?: readonly unknown[];
  /** Signed heads from GET /admin/audit/heads that were kept. The export must agree with them. */
  readonly heads?: readonly KeptHead[];
  /** Scope that the export must have; default: the scope that it states. */
  readonly wanted?: ExportScope;
}

/** Verifies an export offline. */
export async function verifyExport(lines: AsyncIterable<string> | Iterable<string>, trust: ExportTrust = {}): Promise<ExportVerdict> {
  const reading = new ExportReading(trust);
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    try {
      reading.read(JSON.parse(line) as ExportLine, line);
    } catch (error) {
      return reading.verdict({ line: number, detail: error instanceof Error ? error.message : 'the line cannot be read' });
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
  /** Starts of months that the platform's chain records. */
  readonly #starts: MonthStart[] = [];
  readonly #digest = createHash('sha256');
  #keys: TrustedKeys;
  #verification: ChainVerification | undefined;
  /** A month before its first record. */
  #month: { readonly month: string; readonly started: boolean; readonly heads: SignedHead[]; removal?: SignedRemoval } | undefined;
  #records = 0;
  #end: { readonly whole: boolean; readonly signed: boolean } | undefined;
  #scope: ExportScope = {};

  constructor({ keys, heads = [], wanted }: ExportTrust) {
    this.#given = keys === undefined ? undefined : new TrustedKeys(keys);
    this.#keys = this.#given ?? new TrustedKeys([]);
    this.#kept = heads;
    this.#wanted = wanted;
  }

  /** @param text the line as the file has it. @throws Error for a line that is not valid in its place. */
  read(line: ExportLine, text: string): void {
    if (this.#end !== undefined) throw new Error('the file goes on after the line of type end');
    if (line.type === 'end') {
      this.#finish(line);
      return;
    }
    this.#digest.update(`${text}\n`);
    switch (line.type) {
      case 'export':
        if (line.version !== 1) throw new Error(`the export has version ${String(line.version)}; only version 1 is supported`);
        if (typeof line.scope !== 'object' || line.scope === null) throw new Error('the line has no scope');
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
        if (this.#verification === undefined) throw new Error('the month belongs to no chain');
        this.#endMonth();
        const { chain, month, begun } = line;
        const heads = this.#kept.filter((head) => head.chain === chain && head.month === month);
        this.#month = { month, started: begun === true, heads };
        return;
      }
      case 'head':
      case 'removal': {
        if (this.#month === undefined) throw new Error(`the ${line.type} belongs to no month`);
        const { type, ...statement } = line;
        if (type === 'head') this.#month.heads.push(statement as SignedHead);
        else this.#month.removal = statement as SignedRemoval;
        return;
      }
      case 'record': {
        this.#beginMonth();
        if (this.#verification === undefined) throw new Error('the record belongs to no chain');
        const { type: _, ...record } = line;
        this.#records += 1;
        this.#verification.add(record);
        const start = record.chain === platformChain ? monthStartIn(record.record) : undefined;
        if (start !== undefined) this.#starts.push(start);
        return;
      }
      default:
        throw new Error('the line has no known type');
    }
  }

  verdict(unreadable: ExportVerdict['unreadable']): ExportVerdict {
    this.#endChain();
    const { whole, signed } = unreadable === undefined && this.#end !== undefined ? this.#end : { whole: false, signed: false };
    const months = [...this.#months, ...this.#missing()];
    const missing = this.#wanted && missingFrom(this.#scope, this.#wanted);
    const verdict = whole && signed && missing === undefined ? verdictOf(months) : 'broken';
    return {
      verdict,
      ok: verdict === 'intact',
      whole,
      signed,
      scope: this.#scope,
      ...(missing === undefined ? {} : { missing }),
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

  /** Months that kept heads or the platform's chain name, and that the export does not have. */
  #missing(): MonthVerdict[] {
    const detail = new Map<string, readonly [MonthStart, string]>();
    const miss = (month: MonthStart, why: string) => detail.set(`${month.chain} ${month.month}`, [month, why]);
    for (const start of this.#starts) {
      if (inRange(start.month, this.#scope))
        miss(start, "the platform's chain records the start of the month, and the export does not have the month");
    }
    for (const head of this.#kept) {
      if (mustHave(this.#scope, head, this.#chains.has(head.chain)))
        miss(head, 'a head of this month was kept, and the export does not have the month');
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

/** The verdict of a missing month. */
function missingMonth(chain: string, month: string, detail: string): MonthVerdict {
  const fault: Fault = { kind: 'truncated', sequence: 1, detail };
  return { chain, month, state: 'broken', records: 0, signedThrough: 0, closed: false, fault };
}
