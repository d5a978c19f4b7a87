import type { ChainedRecord } from './chain.ts';
import type { PublicKey } from './signing-keys.ts';
import type { SignedEnd, SignedHead, SignedRemoval } from './statements.ts';

/** What an export has, and so what must be in it. */
export interface ExportScope {
  /** Chains of the tenants of this WorkOS organization alone. */
  readonly organizationId?: string;
  /** Chains of tenants of this name alone. */
  readonly tenant?: string;
  /** First month, `YYYY-MM`; from the beginning when left out. */
  readonly from?: string;
  /** Last month; up to when it was made when left out. */
  readonly to?: string;
}

/**
 * A line of an export. Chains follow each other, the platform's before the others; in each, months in order; in each month, signed heads before records. The last line
 * holds a signature over all the others: without it the export is not whole, and nothing in it can be believed.
 */
export type ExportLine =
  | { readonly type: 'export'; readonly version: 1; readonly time: string; readonly scope: ExportScope }
  | ({ readonly type: 'key' } & PublicKey)
  /** `beginning`: the export has the chain from its first month; else `before` is the head of the month before, if that was signed. */
  | {
      readonly type: 'chain';
      readonly chain: string;
      readonly tenant?: string;
      readonly beginning: boolean;
      readonly before?: SignedHead;
    }
  /** `begun`: the platform's chain says that it began. */
  | { readonly type: 'month'; readonly chain: string; readonly month: string; readonly begun: boolean }
  | ({ readonly type: 'head' } & SignedHead)
  | ({ readonly type: 'removal' } & SignedRemoval)
  | ({ readonly type: 'record' } & ChainedRecord)
  | ({ readonly type: 'end' } & SignedEnd);

/** A signed head that was kept elsewhere, with what GET /admin/audit/heads says of its chain. */
export interface KeptHead extends SignedHead {
  readonly tenant?: string;
  readonly organizationId?: string;
}

/** Months, both included. */
export function inRange(month: string, { from = '', to = '9999-12' }: Pick<ExportScope, 'from' | 'to'>): boolean {
  return from <= month && month <= to;
}

/** Whether an export of this scope must have the month of the head, whose chain it has, or has nothing of. */
export function mustHave({ organizationId, tenant, ...range }: ExportScope, head: KeptHead, hasChain: boolean): boolean {
  if (!inRange(head.month, range)) return false;
  if (hasChain) return true;
  // Of a chain that is not there, only what was kept with the head can say whose it is.
  return (organizationId === undefined || head.organizationId === organizationId) && (tenant === undefined || head.tenant === tenant);
}

/** What an export lacks of what was wanted; undefined when it has all. */
export function lackOf(scope: ExportScope, wanted: ExportScope): string | undefined {
  if (scope.tenant !== undefined && scope.tenant !== wanted.tenant) return `it has the chains of ${scope.tenant} alone`;
  if (scope.organizationId !== undefined && wanted.organizationId !== undefined && scope.organizationId !== wanted.organizationId) {
    return `it has the chains of ${scope.organizationId} alone`;
  }
  if (scope.from !== undefined && scope.from > (wanted.from ?? '')) return `it begins with ${scope.from}`;
  if (scope.to !== undefined && scope.to < (wanted.to ?? '9999-12')) return `it ends with ${scope.to}`;
  return undefined;
}
