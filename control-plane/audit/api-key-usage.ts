import { type Kysely, sql } from 'kysely';
import type { AuditTables } from '../store/tables/audit.ts';

export interface KeyUse {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly lastUsedAt: number;
}

/** The last use of each API key of a tenant, as its sidecars report it. */
export class ApiKeyUsage {
  readonly #db: Kysely<AuditTables>;

  constructor(db: Kysely<AuditTables>) {
    this.#db = db;
  }

  /** Stores the latest use of each key. Several pods may report the same key, in any order. A time in the future counts as now. */
  async record(tenantUid: string, uses: readonly KeyUse[], now: number): Promise<void> {
    const latest = new Map<string, number>();
    for (const { id, lastUsedAt } of uses) latest.set(id, Math.max(latest.get(id) ?? 0, Math.min(lastUsedAt, now)));
    if (latest.size === 0) return;
    // Sorted, so that two pods of a tenant cannot deadlock.
    const rows = [...latest].sort(([one], [other]) => (one < other ? -1 : 1));
    await this.#db
      .insertInto('api_key_usage')
      .values(rows.map(([id, time]) => ({ tenant_uid: tenantUid, key_id: id, last_used_at: new Date(time) })))
      .onConflict((conflict) =>
        conflict
          .columns(['tenant_uid', 'key_id'])
          .doUpdateSet({ last_used_at: sql`greatest(api_key_usage.last_used_at, excluded.last_used_at)` }),
      )
      .execute();
  }

  /** Last uses by key id. */
  async lastUses(tenantUid: string): Promise<Map<string, Date>> {
    const rows = await this.#db
      .selectFrom('api_key_usage')
      .select(['key_id', 'last_used_at'])
      .where('tenant_uid', '=', tenantUid)
      .execute();
    return new Map(rows.map(({ key_id, last_used_at }) => [key_id, last_used_at]));
  }
}
