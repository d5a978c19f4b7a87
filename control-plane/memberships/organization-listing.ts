import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import pLimit from 'p-limit';
import { ProviderUnavailable } from '../identity/workos-connection.ts';
import type { Store } from '../store/store.ts';
import type { Mirror } from './mirror.ts';
import type { MembershipSource } from './source.ts';

/** Seconds after which another replica takes over a listing that has shown no progress. */
const turnSeconds = 15;
/** Longest wait of a caller for a listing, in milliseconds. A tenant's user waits for the answer. */
const maxWaitMs = 4_000;
const pollMs = 100;
/** Most concurrent listings of this replica. They must leave connections of the pool for other statements. */
const atOnce = 4;

interface Running {
  readonly listing: Promise<void>;
  /** Monotonic milliseconds. */
  readonly since: number;
}

/** Lists organizations' memberships into the mirror. One replica at a time lists an organization; the others wait for the result. */
export class OrganizationListing {
  readonly #db: Store['db'];
  readonly #mirror: Mirror;
  readonly #source: MembershipSource;
  readonly #recentMs: number;
  readonly #running = new Map<string, Running>();
  readonly #limit = pLimit(atOnce);

  /** @param recentMs milliseconds after the beginning of a listing in which it is not repeated. */
  constructor(store: Pick<Store, 'db'>, mirror: Mirror, source: MembershipSource, recentMs: number) {
    this.#db = store.db;
    this.#mirror = mirror;
    this.#source = source;
    this.#recentMs = recentMs;
  }

  /**
   * Lists the organization, or waits for a listing that is under way. A long listing, such as the first one of an organization with thousands
   * of members, continues in the background when the caller stops waiting.
   * @returns false when the listing is not complete yet.
   * @throws ProviderUnavailable when WorkOS does not answer; errors of the store.
   */
  async run(organizationId: string): Promise<boolean> {
    const { listing, since } = this.#running.get(organizationId) ?? this.#start(organizationId);
    const waiting = new AbortController();
    const patience = Math.max(0, since + maxWaitMs - performance.now());
    const late = delay(patience, 'late' as const, { signal: waiting.signal }).catch(() => undefined);
    try {
      return (await Promise.race([listing, late])) !== 'late';
    } finally {
      waiting.abort();
    }
  }

  #start(organizationId: string): Running {
    const listing = this.#limit(() => this.#list(organizationId)).finally(() => this.#running.delete(organizationId));
    // Waiting callers get the error. Without one, the rejection must not end the process.
    listing.catch(() => {});
    const running = { listing, since: performance.now() };
    this.#running.set(organizationId, running);
    return running;
  }

  async #list(organizationId: string): Promise<void> {
    const before = await this.#syncedAt(organizationId);
    const begun = await this.#takeTurn(organizationId);
    if (begun === undefined) return this.#waitForOther(organizationId, before);
    try {
      const listed: string[] = [];
      for await (const records of this.#source.ofOrganization(organizationId)) {
        // If the answer ignored the filter, it must not add members of other organizations.
        const own = records.filter((record) => record.organizationId === organizationId);
        await this.#mirror.record(own, begun);
        listed.push(...own.map(({ id }) => id));
        await this.#keepTurn(organizationId);
      }
      await this.#mirror.forgetOthers({ organizationId }, listed, begun);
      await this.#db
        .updateTable('member_organizations')
        .set({ synced_at: begun, syncing_until: null })
        .where('id', '=', organizationId)
        // A listing without its lock does not count: a change came that it may have been too early to include.
        .where('syncing_until', 'is not', null)
        .execute();
    } catch (error) {
      await this.#db
        .updateTable('member_organizations')
        .set({ syncing_until: null })
        .where('id', '=', organizationId)
        .execute()
        .catch(() => {});
      throw error;
    }
  }

  /**
   * Stores the organization before the listing, so that events of its memberships during the listing are applied.
   * @returns the time of the beginning; undefined while another replica lists the organization, or has just listed it.
   */
  async #takeTurn(organizationId: string): Promise<Date | undefined> {
    const { rows } = await sql<{ begun: Date }>`
      INSERT INTO member_organizations AS o (id, syncing_until)
      VALUES (${organizationId}, clock_timestamp() + make_interval(secs => ${turnSeconds}))
      ON CONFLICT (id) DO UPDATE SET syncing_until = excluded.syncing_until
        WHERE (o.syncing_until IS NULL OR o.syncing_until < clock_timestamp())
          AND (o.synced_at IS NULL OR o.synced_at < clock_timestamp() - make_interval(secs => ${this.#recentMs / 1000}))
      RETURNING clock_timestamp() AS begun`.execute(this.#db);
    return rows[0]?.begun;
  }

  async #keepTurn(organizationId: string): Promise<void> {
    await this.#db
      .updateTable('member_organizations')
      .set({ syncing_until: sql`clock_timestamp() + make_interval(secs => ${turnSeconds})` })
      .where('id', '=', organizationId)
      .where('syncing_until', 'is not', null)
      .execute();
  }

  async #waitForOther(organizationId: string, before: number): Promise<void> {
    // The time after which the other replica's listing is taken over. Callers stop waiting earlier.
    const end = performance.now() + turnSeconds * 1000;
    while (performance.now() < end) {
      const { synced_at: synced, syncing_until: syncing } = (await this.#row(organizationId)) ?? {};
      // A listing is complete: it ended now, or after the caller had read the mirror.
      if (synced && (synced.getTime() > before || syncing === null)) return;
      // The other replica has stopped.
      if (syncing === null) break;
      await delay(pollMs);
    }
    throw new ProviderUnavailable('listing memberships', undefined);
  }

  async #syncedAt(organizationId: string): Promise<number> {
    return (await this.#row(organizationId))?.synced_at?.getTime() ?? 0;
  }

  #row(organizationId: string) {
    return this.#db.selectFrom('member_organizations').selectAll().where('id', '=', organizationId).executeTakeFirst();
  }
}
