import { type Kysely, sql } from 'kysely';
import { platformChain } from '../../audit/chain.ts';
import type { AuditTables } from '../store/tables/audit.ts';

/** The chains that a caller may read. */
export interface Scope {
  /** Chains of this organization's tenants; undefined for all chains, including the platform's. */
  readonly organizationId: string | undefined;
  /** Chains of tenants that have or had this name. */
  readonly tenant?: string | undefined;
}

/** A chain that must exist, because a table or the platform's chain names it. */
export interface ExpectedChain {
  readonly chain: string;
  /** Name of the tenant; undefined for the platform's chain, and when it is unknown. */
  readonly tenant: string | undefined;
  /** Whether the list of chains has the chain under that name. */
  readonly listed: boolean;
  /** Months whose start the platform's chain records. */
  readonly startedMonths: readonly string[];
}

/** Chains of the list in a scope. */
export function listedChains(db: Kysely<AuditTables>, { organizationId, tenant }: Scope) {
  let query = db.selectFrom('audit_chains');
  if (organizationId !== undefined) query = query.where('organization_id', '=', organizationId);
  if (tenant !== undefined) query = query.where('tenant_name', '=', tenant);
  return query;
}

/**
 * Chains in a scope, in order of their names: chains of the list, chains with records or heads, and chains whose start the platform's
 * chain records. Rows that were deleted from one of these sources hide no chain.
 */
export async function expectedChains(db: Kysely<AuditTables>, scope: Scope): Promise<ExpectedChain[]> {
  const { organizationId = null, tenant = null } = scope;
  // The first record of each chain by one step in the index: a chain may have millions.
  const { rows } = await sql<{
    chain: string;
    tenant: string | null;
    listed: boolean;
    started_months: string[] | null;
    kept: boolean;
    earliest: string;
  }>`
    WITH RECURSIVE recorded AS (
      (SELECT chain, tenant_name FROM audit_records ORDER BY chain, month, sequence LIMIT 1)
      UNION ALL
      SELECT next.chain, next.tenant_name FROM recorded CROSS JOIN LATERAL
        (SELECT chain, tenant_name FROM audit_records WHERE chain > recorded.chain ORDER BY chain, month, sequence LIMIT 1) AS next),
    started AS (
      SELECT details->>'chain' AS chain, details->>'month' AS month, details->>'tenant' AS tenant,
        details->>'organizationId' AS organization
      FROM audit_records WHERE chain = ${platformChain} AND kind = 'chain'),
    kept AS (
      SELECT chain, CASE chain WHEN ${platformChain} THEN NULL ELSE tenant_name END AS tenant FROM recorded
      UNION ALL SELECT DISTINCT chain, NULL FROM audit_heads),
    known AS (
      SELECT chain, tenant_name AS tenant, organization_id AS organization, false AS kept FROM audit_chains
      UNION ALL SELECT chain, tenant, organization, false FROM started
      UNION ALL SELECT chain, tenant, NULL, true FROM kept
      UNION ALL SELECT ${platformChain}, NULL, NULL, false WHERE EXISTS (SELECT FROM kept)),
    started_months AS (SELECT chain, array_agg(DISTINCT month) AS months FROM started GROUP BY chain),
    readable AS (
      SELECT chain, max(tenant) AS tenant, min(tenant) IS NOT DISTINCT FROM max(tenant) AS agreed, bool_or(kept) AS kept
      FROM known
      GROUP BY chain
      HAVING (${organizationId}::text IS NULL OR bool_or(organization = ${organizationId}))
        AND (${tenant}::text IS NULL OR bool_or(tenant = ${tenant})))
    SELECT readable.chain, coalesce(listed.tenant_name, readable.tenant) AS tenant,
      listed.chain IS NOT NULL AND agreed AND listed.tenant_name IS NOT DISTINCT FROM readable.tenant AS listed,
      started_months.months AS started_months, readable.kept,
      coalesce((SELECT min(month) FROM audit_heads WHERE month > '1970-01'), to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')) AS earliest
    FROM readable
      LEFT JOIN audit_chains AS listed ON listed.chain = readable.chain
      LEFT JOIN started_months ON started_months.chain = readable.chain
    ORDER BY readable.chain`.execute(db);
  return rows.map(({ chain, tenant: name, listed, started_months, kept, earliest }) => ({
    chain,
    tenant: name ?? undefined,
    listed,
    // A chain that is only listed must have a month: it is listed together with its first record.
    startedMonths: started_months ?? (kept || (chain === platformChain && !rows.some((row) => row.kept)) ? [] : [earliest]),
  }));
}
