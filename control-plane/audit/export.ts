import { createHash } from 'node:crypto';
import { platformChain } from '../../audit/chain.ts';
import type { ExportLine, ExportScope } from '../../audit/export-lines.ts';
import type { SigningKey } from '../../audit/signing-keys.ts';
import { signEnd } from '../../audit/statements.ts';
import type { ChainReader, Months } from './chain-reader.ts';
import type { ExpectedChain, Scope } from './expected-chains.ts';

/** Retention removed records while they were exported. The export is incomplete. */
export class ExportInterrupted extends Error {}

export interface ExportOptions {
  readonly reader: ChainReader;
  readonly key: SigningKey;
  /** The scope of `chains`. */
  readonly scope: Scope;
  readonly chains: () => Promise<readonly ExpectedChain[]>;
  readonly range: Months;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * Writes chains as lines that can be verified offline (audit/export-lines.ts). Lines are produced as fast as they are read, with one page
 * of records in memory. The signature of the last line covers the stated scope.
 */
export async function* exportLines(options: ExportOptions): AsyncGenerator<string> {
  const { key } = options;
  const digest = createHash('sha256');
  let records = 0;
  for await (const line of contentOf(options)) {
    if (line.type === 'record') records += 1;
    const text = `${JSON.stringify(line)}\n`;
    digest.update(text);
    yield text;
  }
  const end: ExportLine = { type: 'end', ...signEnd(key, { records, sha256: digest.digest('hex') }) };
  yield `${JSON.stringify(end)}\n`;
}

/** All lines except the last. */
async function* contentOf(options: ExportOptions): AsyncGenerator<ExportLine> {
  const { key, scope, chains, range, now } = options;
  yield { type: 'export', version: 1, time: now.toISOString(), scope: given({ ...scope, ...range }) };
  for (const one of key.trusted.all) yield { type: 'key', ...one };
  const isPlatformChain = ({ chain }: ExpectedChain) => chain === platformChain;
  // The platform's chain names all others. It is read first, so that it does not name chains that start during the export.
  for (const platform of (await chains()).filter(isPlatformChain)) yield* linesOf(platform, options);
  for (const due of (await chains()).filter((one) => !isPlatformChain(one))) yield* linesOf(due, options);
}

async function* linesOf(due: ExpectedChain, { reader, range, signal }: ExportOptions): AsyncGenerator<ExportLine> {
  const { chain, tenant } = due;
  const months = await reader.months(due, range);
  if (months.length === 0) return;
  const start = await reader.start(due, range.from);
  const name = tenant === undefined ? {} : { tenant };
  const before = typeof start === 'object' ? { before: start } : {};
  yield { type: 'chain', chain, ...name, beginning: start === 'beginning', ...before };
  for (const month of months) {
    const { heads, removal, started } = await reader.month(due, month);
    yield { type: 'month', chain, month, begun: started };
    for (const head of heads) yield { type: 'head', ...head };
    if (removal !== undefined) {
      yield { type: 'removal', ...removal };
      continue;
    }
    for await (const record of reader.records(chain, month, signal)) yield { type: 'record', ...record };
    if (await reader.isRemoved(chain, month)) throw new ExportInterrupted(`records of ${month} were removed meanwhile`);
  }
}

function given(scope: { readonly [Name in keyof ExportScope]: ExportScope[Name] | undefined }): ExportScope {
  return Object.fromEntries(Object.entries(scope).filter(([, value]) => value !== undefined));
}
