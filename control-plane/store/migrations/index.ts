import type { Migration } from 'kysely/migration';
import { memberships } from './001-memberships.ts';
import { audit } from './002-audit.ts';
import { idempotency } from './003-idempotency.ts';
import { apiKeyUsage } from './004-api-key-usage.ts';
import { auditBegun } from './005-audit-begun.ts';
import { auditMonths } from './006-audit-months.ts';
import { rateLimits } from './007-rate-limits.ts';

/** All migrations of the schema, by name. A released migration never changes. */
export const migrations: Readonly<Record<string, Migration>> = {
  '001-memberships': memberships,
  '002-audit': audit,
  '003-idempotency': idempotency,
  '004-api-key-usage': apiKeyUsage,
  '005-audit-begun': auditBegun,
  '006-audit-months': auditMonths,
  '007-rate-limits': rateLimits,
};
