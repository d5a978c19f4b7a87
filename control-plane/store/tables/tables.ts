import type { AuditTables } from './audit.ts';
import type { IdempotencyTables } from './idempotency.ts';
import type { MembershipTables } from './memberships.ts';
import type { RateLimitTables } from './rate-limits.ts';

/** Rows of the tables, by table. */
export type Tables = IdempotencyTables & AuditTables & MembershipTables & RateLimitTables;
