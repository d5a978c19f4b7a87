import type { AuditTables } from '../audit/tables.ts';
import type { IdempotencyTables } from '../idempotency/tables.ts';
import type { MembershipTables } from '../memberships/tables.ts';

/** Rows of the tables, by table. Each part of the control plane that keeps something describes its own, beside its code. */
export type Tables = IdempotencyTables & AuditTables & MembershipTables;
