import type { ChainedRecord } from './chain.ts';
import type { PublicKey } from './signing-keys.ts';
import type { SignedEnd, SignedHead, SignedRemoval } from './statements.ts';

/** The chains and months that an export has. */
export interface ExportScope {
  /** Only chains of tenants of this WorkOS organization. */
  readonly organizationId?: string;
  /** Only chains of tenants of this name. */
  readonly tenant?: string;
  /** First month, `YYYY-MM`; default: the first month of each chain. */
  readonly from?: string;
  /** Last month; default: the month of the export. */
  readonly to?: string;
}

/**
 * A line of an export. The platform's chain comes first. A chain has its months in order, and a month has its signed heads before its records.
 * The last line has a signature over all other lines. An export without it is incomplete and not trustworthy.
 */
export type ExportLine =
  | { readonly type: 'export'; readonly version: 1; readonly time: string; readonly scope: ExportScope }
  | ({ readonly type: 'key' } & PublicKey)
  /** `beginning`: the export has the chain's first month. Otherwise `before` is the signed head of the month before, if there is one. */
  | {
      readonly type: 'chain';
      readonly chain: string;
      readonly tenant?: string;
      readonly beginning: boolean;
      readonly before?: SignedHead;
    }
  /** `begun`: the platform's chain records the start of the month. */
  | { readonly type: 'month'; readonly chain: string; readonly month: string; readonly begun: boolean }
  | ({ readonly type: 'head' } & SignedHead)
  | ({ readonly type: 'removal' } & SignedRemoval)
  | ({ readonly type: 'record' } & ChainedRecord)
  | ({ readonly type: 'end' } & SignedEnd);

/** A signed head from GET /admin/audit/heads, with the tenant of its chain. */
export interface KeptHead extends SignedHead {
  readonly tenant?: string;
  readonly organizationId?: string;
}

/** Whether the month is in the range, which includes both its ends. */
export function inRange(month: string, { from = '', to = '9999-12' }: Pick<ExportScope, 'from' | 'to'>): boolean {
  return from <= month && month <= to;
}

/** Whether an export of this scope must have the month of the head. `hasChain`: it has other months of the chain. */
export function mustHave({ organizationId, tenant, ...range }: ExportScope, head: KeptHead, hasChain: boolean): boolean {
  if (!inRange(head.month, range)) return false;
  if (hasChain) return true;
  // For a missing chain, only the kept head knows the tenant and the organization.
  return (organizationId === undefined || head.organizationId === organizationId) && (tenant === undefined || head.tenant === tenant);
}

/** The first difference between the scope of an export and the wanted scope; undefined when it covers the wanted scope. */
export function missingFrom(scope: ExportScope, wanted: ExportScope): string | undefined {
  if (scope.tenant !== undefined && scope.tenant !== wanted.tenant) return `the export has only the chains of ${scope.tenant}`;
  if (scope.organizationId !== undefined && wanted.organizationId !== undefined && scope.organizationId !== wanted.organizationId) {
    return `the export has only the chains of ${scope.organizationId}`;
  }
  if (scope.from !== undefined && scope.from > (wanted.from ?? '')) return `the export begins with ${scope.from}`;
  if (scope.to !== undefined && scope.to < (wanted.to ?? '9999-12')) return `the export ends with ${scope.to}`;
  return undefined;
}
