import { type Kysely, sql } from 'kysely';
import { platformChain } from '../../audit/chain.ts';
import type { AuditTables } from './tables.ts';

/** Which chains somebody may read. */
export interface Scope {
  /** Those of the tenants of this organization; undefined for all, the platform's own included. */
  readonly organizationId: string | undefined;
  /** Those of tenants that have, or had, this name. */
  readonly tenant?: string | undefined;
}

/** A chain of which there must be something, whoever says so. */
export interface ExpectedChain {
  readonly chain: string;
  /** Name of its tenant; undefined for the platform's, and where nothing says it any more. */
  readonly tenant: string | undefined;
  /** Whether the list of chains has it, under that name. */
  readonly listed: boolean;
  /** Months that began, as the platform's chain says. */
  readonly begun: readonly string[];
}

/** Chains of the list that a scope has. */
export function listedChains(db: Kysely<AuditTables>, { organizationId, tenant }: Scope) {
  let query = db.selectFrom('audit_chains');
  if (organizationId !== undefined) query = query.where('organization_id', '=', organizationId);
  if (tenant !== undefined) query = query.where('tenant_name', '=', tenant);
  return query;
}

/**
 * Chains in scope, in order of their names: those of the list, those that have records, heads or statements without being listed, and
 * those that the platform's chain says began. One of these alone would let whoever can delete rows make a chain vanish unseen.
 */
export async function expectedChains(db: Kysely<AuditTables>, scope: Scope): Promise<ExpectedChain[]> {
  const { organizationId = null, tenant = null } = scope;
  // The first record of each chain by one step in the index: a chain may have millions.
  const { rows } = await sql<{
    chain: string;
    tenant: string | null;
    listed: boolean;
    begun: string[] | null;
    kept: boolean;
    earliest: string;
  }>`
    WITH RECURSIVE recorded AS (
      (SELECT chain, tenant_name FROM audit_records ORDER BY chain, month, sequence LIMIT 1)
      UNION ALL
      SELECT next.chain, next.tenant_name FROM recorded CROSS JOIN LATERAL
        (SELECT chain, tenant_name FROM audit_records WHERE chain > recorded.chain ORDER BY chain, month, sequence LIMIT 1) AS next),
    begun AS (
      SELECT details->>'chain' AS chain, details->>'month' AS month, details->>'tenant' AS tenant,
        details->>'organizationId' AS organization
      FROM audit_records WHERE chain = ${platformChain} AND kind = 'chain'),
    kept AS (
      SELECT chain, CASE chain WHEN ${platformChain} THEN NULL ELSE tenant_name END AS tenant FROM recorded
      UNION ALL SELECT DISTINCT chain, NULL FROM audit_heads),
    known AS (
      SELECT chain, tenant_name AS tenant, organization_id AS organization, false AS kept FROM audit_chains
      UNION ALL SELECT chain, tenant, organization, false FROM begun
      UNION ALL SELECT chain, tenant, NULL, true FROM kept
      UNION ALL SELECT ${platformChain}, NULL, NULL, false WHERE EXISTS (SELECT FROM kept)),
    begun_months AS (SELECT chain, array_agg(DISTINCT month) AS months FROM begun GROUP BY chain),
    readable AS (
      SELECT chain, max(tenant) AS tenant, min(tenant) IS NOT DISTINCT FROM max(tenant) AS agreed, bool_or(kept) AS kept
      FROM known
      GROUP BY chain
      HAVING (${organizationId}::text IS NULL OR bool_or(organization = ${organizationId}))
        AND (${tenant}::text IS NULL OR bool_or(tenant = ${tenant})))
    SELECT readable.chain, coalesce(listed.tenant_name, readable.tenant) AS tenant,
      listed.chain IS NOT NULL AND agreed AND listed.tenant_name IS NOT DISTINCT FROM readable.tenant AS listed,
      begun_months.months AS begun, readable.kept,
      coalesce((SELECT min(month) FROM audit_heads WHERE month > '1970-01'), to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')) AS earliest
    FROM readable
      LEFT JOIN audit_chains AS listed ON listed.chain = readable.chain
      LEFT JOIN begun_months ON begun_months.chain = readable.chain
    ORDER BY readable.chain`.execute(db);
  return rows.map(({ chain, tenant: name, listed, begun, kept, earliest }) => ({
    chain,
    tenant: name ?? undefined,
    listed,
    // A chain is listed together with its first record, and the platform's begins with the first of the others.
    begun: begun ?? (kept || (chain === platformChain && !rows.some((row) => row.kept)) ? [] : [earliest]),
  }));
}
