import { sql, type Transaction } from 'kysely';
import { ZodError } from 'zod';
import type { Store } from '../store/store.ts';
import type { Tables } from '../store/tables/tables.ts';
import { type Changed, channel, payloadOf } from './changed.ts';
import { changeOf, type MembershipChange, type MembershipRecord, organizationOf, type ProviderEvent } from './provider-events.ts';
import { listingMs } from './resync-period.ts';

/** The mirror's data about one user in one organization. */
export interface Finding {
  /** Slugs of the roles of the active membership; undefined without one. */
  readonly roles: readonly string[] | undefined;
  /** Milliseconds since the data was known to be complete; undefined if the organization was never listed. */
  readonly age: number | undefined;
  /** Milliseconds since the organization was listed; undefined if it never was. */
  readonly listed: number | undefined;
  /** Whether the user or the organization was deleted at WorkOS. */
  readonly removed: boolean;
}

interface Identified {
  /** Of the event. */
  readonly id: string;
  readonly change: MembershipChange | undefined;
  /** The listings that an unknown event makes invalid: of one organization, or of all. */
  readonly doubt?: { readonly organizationId: string | undefined };
}

/** An event with an unknown form. */
export interface RejectedEvent {
  readonly event: ProviderEvent;
  readonly error: ZodError;
}

/**
 * Age of the data about an organization `o` with the cursor of events `c`. Events keep a listing complete, but only until the listing itself
 * expires.
 */
const ages = sql`
  (extract(epoch FROM clock_timestamp() - greatest(o.synced_at,
    CASE WHEN o.synced_at > clock_timestamp() - make_interval(secs => ${listingMs / 1000}) THEN c.polled_at END)) * 1000)::float8 AS age,
  (extract(epoch FROM clock_timestamp() - o.synced_at) * 1000)::float8 AS listed`;

/** Tombstones and identifiers of events are kept longer than WorkOS can send them again. */
const keptDays = 35;

/** Writes and reads the tables of memberships. Every commit notifies all replicas of its changes. */
export class Mirror {
  readonly #db: Store['db'];

  constructor(store: Pick<Store, 'db'>) {
    this.#db = store.db;
  }

  async find(userId: string, organizationId: string): Promise<Finding> {
    const { rows } = await sql<{ roles: string[] | null; age: number | null; listed: number | null; removed: boolean }>`
      SELECT
        (SELECT m.roles FROM memberships m
          WHERE m.organization_id = ${organizationId} AND m.user_id = ${userId} AND m.status = 'active'
          ORDER BY m.updated_at DESC LIMIT 1) AS roles,
        EXISTS (SELECT FROM removed_identities r WHERE r.id IN (${userId}, ${organizationId})) AS removed,
        ${ages}
      FROM (SELECT) AS one
        LEFT JOIN member_organizations o ON o.id = ${organizationId} AND o.synced_at IS NOT NULL
        LEFT JOIN membership_cursors c ON c.name = 'events'`.execute(this.#db);
    const [row] = rows;
    return {
      roles: row?.roles ?? undefined,
      age: row?.age ?? undefined,
      listed: row?.listed ?? undefined,
      removed: row?.removed ?? false,
    };
  }

  /** The mirror's data about one user in those of the organizations that were listed. */
  async findIn(userId: string, organizationIds: readonly string[]): Promise<ReadonlyMap<string, Finding>> {
    const { rows } = await sql<{ id: string; roles: string[] | null; age: number; listed: number; removed: boolean }>`
      SELECT o.id,
        (SELECT m.roles FROM memberships m
          WHERE m.organization_id = o.id AND m.user_id = ${userId} AND m.status = 'active'
          ORDER BY m.updated_at DESC LIMIT 1) AS roles,
        EXISTS (SELECT FROM removed_identities r WHERE r.id IN (${userId}, o.id)) AS removed,
        ${ages}
      FROM member_organizations o LEFT JOIN membership_cursors c ON c.name = 'events'
      WHERE o.id = ANY(${[...organizationIds]}::text[]) AND o.synced_at IS NOT NULL`.execute(this.#db);
    return new Map(rows.map(({ id, roles, ...rest }) => [id, { ...rest, roles: roles ?? undefined }]));
  }

  /** Present time of the database. */
  async clock(): Promise<Date> {
    const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(this.#db);
    return rows[0]?.now ?? new Date(0);
  }

  /** Applies an event once. @returns false for an event that was applied before or concerns an unmirrored organization. @throws ZodError for an unknown form. */
  async apply(event: ProviderEvent): Promise<boolean> {
    const change = changeOf(event);
    return (await this.#applyOnce([{ id: event.id, change }])).size > 0;
  }

  /**
   * Applies a page of events, oldest first, each once. An event with an unknown form makes the listing of its organization invalid, or all
   * listings if it names no organization. @returns events with an unknown form that came for the first time.
   */
  async applyAll(events: readonly ProviderEvent[]): Promise<RejectedEvent[]> {
    const misunderstood = new Map<string, RejectedEvent>();
    const all = events.map((event): Identified => {
      try {
        return { id: event.id, change: changeOf(event) };
      } catch (error) {
        if (!(error instanceof ZodError)) throw error;
        misunderstood.set(event.id, { event, error });
        return { id: event.id, change: undefined, doubt: { organizationId: organizationOf(event) } };
      }
    });
    const fresh = await this.#applyOnce(all);
    return [...misunderstood.values()].filter(({ event }) => fresh.has(event.id));
  }

  /** Makes the listing of one organization, or all listings, invalid, so that WorkOS is listed before the next answer. */
  async forgetListings(organizationId: string | undefined): Promise<void> {
    await this.#db.transaction().execute((transaction) => this.#forgetListings(transaction, organizationId));
  }

  async #forgetListings(transaction: Transaction<Tables>, organizationId: string | undefined): Promise<void> {
    await transaction
      .updateTable('member_organizations')
      // A listing that is under way may have read too early. Without its lock its result is dropped.
      .set({ synced_at: null, syncing_until: null })
      .$if(organizationId !== undefined, (query) => query.where('id', '=', organizationId ?? ''))
      .execute();
    await notify(transaction, [{ organizationId }]);
  }

  /**
   * Stores nothing about unmirrored organizations, not even the identifiers of their events. If one becomes a tenant's organization within the
   * next minutes, its events are read again. They are applied if its first listing came too early to include them.
   * @returns identifiers of events that had not been applied before.
   */
  async #applyOnce(all: readonly Identified[]): Promise<ReadonlySet<string>> {
    return this.#db.transaction().execute(async (transaction) => {
      const events = await this.#ofMirroredOrganizations(transaction, all);
      if (events.length === 0) return new Set<string>();
      const first = await transaction
        .insertInto('membership_events')
        .values(events.map(({ id }) => ({ id, processed_at: sql<Date>`clock_timestamp()` })))
        .onConflict((conflict) => conflict.column('id').doNothing())
        .returning('id')
        .execute();
      const fresh = new Set(first.map(({ id }) => id));
      const applied = events.filter(({ id }) => fresh.has(id));
      const changes = applied.flatMap((event) => event.change ?? []);
      const records = latestOf(changes.flatMap((one) => (one.kind === 'membership' ? [one.record] : [])));
      if (records.length > 0) await this.#upsert(transaction, records, undefined);
      for (const one of changes) {
        if (one.kind === 'user-removed') await this.#remove(transaction, one.userId, { userId: one.userId });
        else if (one.kind === 'organization-removed') {
          await this.#remove(transaction, one.organizationId, { organizationId: one.organizationId });
        }
      }
      for (const { doubt } of applied) if (doubt !== undefined) await this.#forgetListings(transaction, doubt.organizationId);
      return fresh;
    });
  }

  /** Writes the result of a listing that began at `begun`, except records that are older than the stored data. */
  async record(records: readonly MembershipRecord[], begun: Date): Promise<void> {
    if (records.length === 0) return;
    await this.#db.transaction().execute((transaction) => this.#upsert(transaction, latestOf(records), begun));
  }

  /**
   * Marks memberships as inactive that a complete listing, which began at `begun`, did not have. It concerns the whole organization or one
   * user in it. Memberships that were confirmed after `begun` stay. The mark is not `deleted`, which is final: a listing may come from an old
   * copy at WorkOS, and the next listing corrects it after at most an hour (`listingMs`).
   */
  async forgetOthers(where: Changed & { organizationId: string }, listed: readonly string[], begun: Date): Promise<void> {
    await this.#db.transaction().execute(async (transaction) => {
      const gone = await transaction
        .updateTable('memberships')
        .set({ status: 'inactive', seen_at: sql`clock_timestamp()` })
        .where('organization_id', '=', where.organizationId)
        .$if(where.userId !== undefined, (query) => query.where('user_id', '=', where.userId ?? ''))
        .where('status', 'in', ['active', 'pending'])
        .where('seen_at', '<', begun)
        .where(sql<boolean>`id <> ALL(${[...listed]}::text[])`)
        .returning(['organization_id as organizationId', 'user_id as userId'])
        .execute();
      await notify(transaction, gone);
    });
  }

  /** Removes rows that are too old to matter. */
  async prune(): Promise<void> {
    const old = sql<boolean>`< clock_timestamp() - make_interval(days => ${keptDays})`;
    await sql`DELETE FROM membership_events WHERE processed_at ${old}`.execute(this.#db);
    await sql`DELETE FROM memberships WHERE status = 'deleted' AND seen_at ${old}`.execute(this.#db);
  }

  /** Leaves out changes in organizations that are not mirrored. An organization is mirrored from the beginning of its first listing. */
  async #ofMirroredOrganizations(transaction: Transaction<Tables>, events: readonly Identified[]): Promise<readonly Identified[]> {
    const named = events.flatMap(({ change }) => (change?.kind === 'membership' ? [change.record.organizationId] : []));
    if (named.length === 0) return events;
    const rows = await transaction
      .selectFrom('member_organizations')
      .select('id')
      .where('id', 'in', [...new Set(named)])
      .execute();
    const mirrored = new Set(rows.map(({ id }) => id));
    return events.filter(({ change }) => change?.kind !== 'membership' || mirrored.has(change.record.organizationId));
  }

  /**
   * A deletion is final, and older records are ignored. Of two records with the same time, the removal wins: WorkOS's times have milliseconds,
   * and a membership that a listing did not have keeps the time of its last change. Only a listing that began later (`begun`) can make it
   * active again.
   */
  async #upsert(transaction: Transaction<Tables>, records: readonly MembershipRecord[], begun: Date | undefined): Promise<void> {
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
          .where('memberships.status', '!=', 'deleted')
          .where(sql<boolean>`(memberships.updated_at < excluded.updated_at OR memberships.updated_at = excluded.updated_at
            AND (memberships.status <> 'inactive' OR excluded.status IN ('inactive', 'deleted')
              OR memberships.seen_at < ${begun ?? null}::timestamptz))`),
      )
      .returning(['id', 'organization_id as organizationId', 'user_id as userId', 'status', 'roles'])
      .execute();
    await notify(
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
    await notify(transaction, [changed]);
  }
}

/** One record a membership: a deletion, or else the latest; of two equally late, the removal. Sorted by identifier, so that two writers cannot deadlock. */
function latestOf(records: readonly MembershipRecord[]): MembershipRecord[] {
  const latest = new Map<string, MembershipRecord>();
  for (const record of records) {
    const before = latest.get(record.id);
    if (before === undefined || record.status === 'deleted' || isNewer(record, before)) latest.set(record.id, record);
  }
  return [...latest.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function isNewer(record: MembershipRecord, before: MembershipRecord): boolean {
  const later = record.updatedAt.getTime() - before.updatedAt.getTime();
  return before.status !== 'deleted' && (later > 0 || (later === 0 && before.status !== 'inactive'));
}

async function notify(transaction: Transaction<Tables>, changed: readonly Changed[]): Promise<void> {
  for (const payload of payloadOf(changed)) await sql`SELECT pg_notify(${channel}, ${payload})`.execute(transaction);
}
