import type { AuditTables } from './audit.ts';
import type { IdempotencyTables } from './idempotency.ts';
import type { MembershipTables } from './memberships.ts';

/** Rows of the tables, by table. Each part of the control plane that keeps something describes its own, beside its code. */
export type Tables = IdempotencyTables & AuditTables & MembershipTables;
