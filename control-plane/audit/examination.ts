import type { TrustedKeys } from '../../audit/keys.ts';
import { ChainVerification, type MonthVerdict } from '../../audit/verification.ts';
import type { Archive, ChainName, Months } from './archive.ts';

export interface ExaminedMonth extends MonthVerdict {
  /** Name of the chain's tenant; undefined for the platform's chain. */
  readonly tenant: string | undefined;
}

/** Recomputes chains from what is kept and compares them with their signed heads; one verdict a month. */
export async function* examine(
  archive: Archive,
  keys: TrustedKeys,
  chains: readonly ChainName[],
  range: Months,
  signal: AbortSignal,
): AsyncGenerator<ExaminedMonth> {
  for (const { chain, tenant } of chains) {
    const verification = new ChainVerification(chain, keys, await archive.start(chain, range.from));
    for (const month of await archive.months(chain, range)) {
      for (let settled = false; !settled; ) {
        const kept = await archive.month(chain, month);
        verification.begin(kept);
        for await (const record of archive.records(chain, month, signal)) verification.add(record);
        // Records that went while they were read are judged by why they went.
        settled = kept.removal !== undefined || (await archive.removal(chain, month)) === undefined;
      }
      const verdict = verification.end();
      if (verdict !== undefined) yield { ...verdict, tenant };
    }
  }
}
