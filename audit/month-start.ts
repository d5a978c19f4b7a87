import type { AuditRecord } from './record.ts';

/** That a month of a chain has begun. */
export interface MonthStart {
  readonly chain: string;
  readonly month: string;
}

/** What a record of kind `chain` has in `details`. Such a record stands in the platform's chain for each month of each other chain. */
export interface MonthStartDetails extends MonthStart {
  /** Name of the chain's tenant. */
  readonly tenant?: string;
  /** WorkOS organization of the tenant, where it had one by then. */
  readonly organizationId?: string;
}

/** The month whose beginning a record tells of: a chain that vanishes with all that was signed of it is missed by that. */
export function monthStartIn({ kind, details }: AuditRecord): MonthStart | undefined {
  if (kind !== 'chain' || details === null || typeof details !== 'object' || !('chain' in details) || !('month' in details))
    return undefined;
  return { chain: String(details.chain), month: String(details.month) };
}
