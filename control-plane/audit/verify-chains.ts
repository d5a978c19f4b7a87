import type { TrustedKeys } from '../../audit/signing-keys.ts';
import { ChainVerification, type MonthVerdict } from '../../audit/verification.ts';
import type { ChainReader, Months } from './chain-reader.ts';
import type { ExpectedChain } from './expected-chains.ts';

export interface VerifiedMonth extends MonthVerdict {
  /** Name of the chain's tenant; undefined for the platform's chain and for a chain whose tenant is unknown. */
  readonly tenant: string | undefined;
}

/** Recomputes chains and compares them with their signed heads. Yields one verdict a month. */
export async function* verifyChains(
  reader: ChainReader,
  keys: TrustedKeys,
  chains: readonly ExpectedChain[],
  range: Months,
  signal: AbortSignal,
): AsyncGenerator<VerifiedMonth> {
  for (const due of chains) {
    const { chain, tenant } = due;
    const verification = new ChainVerification(chain, keys, await reader.start(due, range.from));
    for (const month of await reader.months(due, range)) {
      for (let settled = false; !settled; ) {
        const kept = await reader.month(due, month);
        verification.begin(kept);
        for await (const record of reader.records(chain, month, signal)) verification.add(record);
        // A month that retention began to remove during the reading is read again.
        settled = kept.removal !== undefined || !(await reader.isRemoved(chain, month));
      }
      const verdict = verification.end();
      if (verdict !== undefined) yield { ...(due.listed ? verdict : unlisted(verdict)), tenant };
    }
  }
}

/** A month that is broken anyway keeps its own fault. */
function unlisted(verdict: MonthVerdict): MonthVerdict {
  if (verdict.state === 'broken') return verdict;
  const detail = 'the list of chains does not have the chain, or has it under another name';
  return { ...verdict, state: 'broken', fault: { kind: 'unlisted', sequence: 1, detail } };
}
