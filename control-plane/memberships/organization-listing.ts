import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import pLimit from 'p-limit';
import { ProviderUnavailable } from '../identity/workos-connection.ts';
import type { Store } from '../store/store.ts';
import type { Mirror } from './mirror.ts';
import type { MembershipSource } from './source.ts';

/** A replica that began to list and fell silent for so long is given up, in seconds. */
const turnSeconds = 15;
/** How long a caller waits for a listing, in milliseconds: it is a tenant's user in the midst of a request. */
const patienceMs = 4_000;
const lookAgainMs = 100;
/** Listings at a time of this replica: others' statements must find a connection in the pool meanwhile. */
const atOnce = 4;

interface Running {
  readonly listing: Promise<void>;
  /** Monotonic milliseconds. */
  readonly since: number;
}

/** Lists organizations' memberships into the mirror: one replica at a time an organization, while the others wait for the outcome. */
export class OrganizationListing {
  readonly #db: Store['db'];
  readonly #mirror: Mirror;
  readonly #source: MembershipSource;
  readonly #recentMs: number;
  readonly #running = new Map<string, Running>();
  readonly #limit = pLimit(atOnce);

  /** @param recentMs a listing that began so recently is not made again. */
  constructor(store: Pick<Store, 'db'>, mirror: Mirror, source: MembershipSource, recentMs: number) {
    this.#db = store.db;
    this.#mirror = mirror;
    this.#source = source;
    this.#recentMs = recentMs;
  }

  /**
   * Lists the organization, or waits for who does already. A listing that takes longer than callers can wait, as the first of an
   * organization with thousands of members may, goes on without them.
   * @returns false when the listing is not complete yet.
   * @throws ProviderUnavailable when WorkOS does not answer; what the store throws.
   */
  async run(organizationId: string): Promise<boolean> {
    const { listing, since } = this.#running.get(organizationId) ?? this.#start(organizationId);
    const waiting = new AbortController();
    const patience = Math.max(0, since + patienceMs - performance.now());
    const late = delay(patience, 'late' as const, { signal: waiting.signal }).catch(() => undefined);
    try {
      return (await Promise.race([listing, late])) !== 'late';
    } finally {
      waiting.abort();
    }
  }

  #start(organizationId: string): Running {
    const listing = this.#limit(() => this.#list(organizationId)).finally(() => this.#running.delete(organizationId));
    // Who waits hears of a failure; with nobody waiting any more it must not end the process.
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
        // An answer that ignored the filter must let no stranger in.
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
        // Unless it lost its turn: something has happened that it may have been too early to see.
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
   * Enters the organization before anything is listed, so that from now on events of its memberships are kept: what happens during the
   * listing is not missed. @returns when that was, or undefined while another replica is at it, or has just been.
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
    // As long as the other may fall silent: callers stop waiting earlier.
    const end = performance.now() + turnSeconds * 1000;
    while (performance.now() < end) {
      const { synced_at: synced, syncing_until: syncing } = (await this.#row(organizationId)) ?? {};
      // It is over, whoever began it: now, or between the caller's look at the mirror and ours.
      if (synced && (synced.getTime() > before || syncing === null)) return;
      // The other has given up.
      if (syncing === null) break;
      await delay(lookAgainMs);
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
