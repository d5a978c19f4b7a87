import type { ExportLine } from '../../audit/export.ts';
import type { TrustedKeys } from '../../audit/keys.ts';
import type { Archive, ChainName, Months } from './archive.ts';

/** Records were removed because of their age while they were exported: what was sent is not whole. */
export class ExportInterrupted extends Error {}

export interface ExportOptions {
  readonly chains: readonly ChainName[];
  readonly range: Months;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** Chains as lines that can be verified without us: audit/export.ts. As fast as they are taken, with one page of records in memory. */
export async function* exportLines(archive: Archive, keys: TrustedKeys, options: ExportOptions): AsyncGenerator<ExportLine> {
  const { chains, range, now, signal } = options;
  const { from, to } = range;
  const bounds = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  yield { type: 'export', version: 1, time: now.toISOString(), ...bounds };
  for (const key of keys.all) yield { type: 'key', ...key };
  let records = 0;
  for (const { chain, tenant } of chains) {
    const months = await archive.months(chain, range);
    if (months.length === 0) continue;
    const start = await archive.start(chain, from);
    const name = tenant === undefined ? {} : { tenant };
    const before = typeof start === 'object' ? { before: start } : {};
    yield { type: 'chain', chain, ...name, beginning: start === 'beginning', ...before };
    for (const month of months) {
      const { heads, removal } = await archive.month(chain, month);
      yield { type: 'month', chain, month };
      for (const head of heads) yield { type: 'head', ...head };
      if (removal !== undefined) {
        yield { type: 'removal', ...removal };
        continue;
      }
      for await (const record of archive.records(chain, month, signal)) {
        records += 1;
        yield { type: 'record', ...record };
      }
      if ((await archive.removal(chain, month)) !== undefined) throw new ExportInterrupted(`records of ${month} were removed meanwhile`);
    }
  }
  yield { type: 'end', records };
}
