import type { AuditRecord } from './record.ts';

/** The start of a month of a chain. */
export interface MonthStart {
  readonly chain: string;
  readonly month: string;
}

/** Details of a record of kind `chain`. The platform's chain has such a record for each month of each other chain. */
export interface MonthStartDetails extends MonthStart {
  /** Name of the chain's tenant. */
  readonly tenant?: string;
  /** WorkOS organization that the tenant had then. */
  readonly organizationId?: string;
}

/** The month whose start a record of the platform's chain contains. It shows that a chain is missing even when all its rows are deleted. */
export function monthStartIn({ kind, details }: AuditRecord): MonthStart | undefined {
  if (kind !== 'chain' || details === null || typeof details !== 'object' || !('chain' in details) || !('month' in details))
    return undefined;
  return { chain: String(details.chain), month: String(details.month) };
}
