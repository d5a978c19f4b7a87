import { sql, type Transaction } from 'kysely';
import type { Store } from '../store/store.ts';
import type { Tables } from '../store/tables.ts';
import { type Changed, channel, payloadOf } from './changed.ts';
import { type MembershipRecord, newsOf, type ProviderEvent } from './news.ts';

/** What the mirror knows of one user in one organization. */
export interface Finding {
  /** Slugs of the active membership; undefined where there is none. */
  readonly roles: readonly string[] | undefined;
  /** Milliseconds since what is known was known to be complete; undefined where the organization was never listed. */
  readonly age: number | undefined;
  /** The user or the organization was deleted at WorkOS. */
  readonly removed: boolean;
}

/** Tombstones and identifiers of events are kept longer than WorkOS can tell of them again. */
const keptDays = 35;

/** The tables of memberships: what is written to them and read from them. Every change is told to all replicas when it is committed. */
export class Mirror {
  readonly #db: Store['db'];

  constructor(store: Pick<Store, 'db'>) {
    this.#db = store.db;
  }

  async find(userId: string, organizationId: string): Promise<Finding> {
    const { rows } = await sql<{ roles: string[] | null; age: number | null; removed: boolean }>`
      SELECT
        (SELECT m.roles FROM memberships m
          WHERE m.organization_id = ${organizationId} AND m.user_id = ${userId} AND m.status = 'active'
          ORDER BY m.updated_at DESC LIMIT 1) AS roles,
        (SELECT extract(epoch FROM clock_timestamp() - greatest(o.synced_at,
            (SELECT c.polled_at FROM membership_cursors c WHERE c.name = 'events'))) * 1000
          FROM member_organizations o WHERE o.id = ${organizationId} AND o.synced_at IS NOT NULL)::float8 AS age,
        EXISTS (SELECT FROM removed_identities r WHERE r.id IN (${userId}, ${organizationId})) AS removed`.execute(this.#db);
    const [row] = rows;
    return { roles: row?.roles ?? undefined, age: row?.age ?? undefined, removed: row?.removed ?? false };
  }

  /** The time of the database. */
  async clock(): Promise<Date> {
    const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(this.#db);
    return rows[0]?.now ?? new Date(0);
  }

  /** Applies an event once. @returns false for one that has been applied before. @throws ZodError */
  async apply(event: ProviderEvent): Promise<boolean> {
    const news = newsOf(event);
    return this.#db.transaction().execute(async (transaction) => {
      const first = await transaction
        .insertInto('membership_events')
        .values({ id: event.id, processed_at: sql`clock_timestamp()` })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .returning('id')
        .executeTakeFirst();
      if (first === undefined) return false;
      if (news?.kind === 'membership') await this.#applyRecord(transaction, news.record);
      else if (news?.kind === 'user-removed') await this.#remove(transaction, news.userId, { userId: news.userId });
      else if (news?.kind === 'organization-removed') {
        await this.#remove(transaction, news.organizationId, { organizationId: news.organizationId });
      }
      return true;
    });
  }

  /** Writes what a listing gave, unless newer is known. */
  async record(records: readonly MembershipRecord[]): Promise<void> {
    if (records.length === 0) return;
    await this.#db.transaction().execute((transaction) => this.#upsert(transaction, records));
  }

  /**
   * Marks as deleted what a complete listing that began at `begun` did not show, of the whole organization or of one user in it. What was
   * confirmed after the listing began is newer than the listing and stays.
   */
  async forgetOthers(where: Changed & { organizationId: string }, listed: readonly string[], begun: Date): Promise<void> {
    await this.#db.transaction().execute(async (transaction) => {
      const gone = await transaction
        .updateTable('memberships')
        .set({ status: 'deleted', seen_at: sql`clock_timestamp()` })
        .where('organization_id', '=', where.organizationId)
        .$if(where.userId !== undefined, (query) => query.where('user_id', '=', where.userId ?? ''))
        .where('status', '!=', 'deleted')
        .where('seen_at', '<', begun)
        .where(sql<boolean>`id <> ALL(${[...listed]}::text[])`)
        .returning(['organization_id as organizationId', 'user_id as userId'])
        .execute();
      await tell(transaction, gone);
    });
  }

  /** Removes what is too old to matter. */
  async prune(): Promise<void> {
    const old = sql<boolean>`< clock_timestamp() - make_interval(days => ${keptDays})`;
    await sql`DELETE FROM membership_events WHERE processed_at ${old}`.execute(this.#db);
    await sql`DELETE FROM memberships WHERE status = 'deleted' AND seen_at ${old}`.execute(this.#db);
  }

  async #applyRecord(transaction: Transaction<Tables>, record: MembershipRecord): Promise<void> {
    // Of organizations that are no tenant's nothing is kept. One that is being listed for the first time is here already.
    const mirrored = await transaction
      .selectFrom('member_organizations')
      .select('id')
      .where('id', '=', record.organizationId)
      .executeTakeFirst();
    if (mirrored !== undefined) await this.#upsert(transaction, [record]);
  }

  async #upsert(transaction: Transaction<Tables>, records: readonly MembershipRecord[]): Promise<void> {
    const before = await transaction
      .selectFrom('memberships')
      .select(['id', 'status', 'roles'])
      .where(
        'id',
        'in',
        records.map(({ id }) => id),
      )
      .execute();
    const known = new Map(before.map((row) => [row.id, `${row.status} ${row.roles.join(' ')}`]));
    const written = await transaction
      .insertInto('memberships')
      .values(
        records.map((record) => ({
          id: record.id,
          organization_id: record.organizationId,
          user_id: record.userId,
          roles: [...record.roles],
          status: record.status,
          updated_at: record.updatedAt,
          seen_at: sql<Date>`clock_timestamp()`,
        })),
      )
      .onConflict((conflict) =>
        conflict
          .column('id')
          .doUpdateSet((e) => ({
            roles: e.ref('excluded.roles'),
            status: e.ref('excluded.status'),
            updated_at: e.ref('excluded.updated_at'),
            seen_at: e.ref('excluded.seen_at'),
          }))
          // A deletion is final; and older news says nothing.
          .where('memberships.status', '!=', 'deleted')
          .whereRef('memberships.updated_at', '<=', 'excluded.updated_at'),
      )
      .returning(['id', 'organization_id as organizationId', 'user_id as userId', 'status', 'roles'])
      .execute();
    await tell(
      transaction,
      written.filter(({ id, status, roles }) => known.get(id) !== `${status} ${roles.join(' ')}`),
    );
  }

  async #remove(transaction: Transaction<Tables>, id: string, changed: Changed): Promise<void> {
    await transaction
      .insertInto('removed_identities')
      .values({ id, removed_at: sql`clock_timestamp()` })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
    await tell(transaction, [changed]);
  }
}

async function tell(transaction: Transaction<Tables>, changed: readonly Changed[]): Promise<void> {
  for (const payload of payloadOf(changed)) await sql`SELECT pg_notify(${channel}, ${payload})`.execute(transaction);
}
