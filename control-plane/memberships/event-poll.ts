import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';
import type { Store } from '../store/store.ts';
import type { Mirror } from './mirror.ts';
import { mirroredEvents, organizationOf } from './provider-events.ts';
import { type EventPage, type MembershipSource, type Position, PositionLost } from './source.ts';

/** Minutes of events that are read again without an event to continue after. Clocks differ, and WorkOS may list events late. */
const overlapMinutes = 5;
/** Largest age of an event to continue after. WorkOS deletes events after 30 days. */
const staleDays = 7;
/** Longest time without a poll after which no events have been missed. */
const gapDays = 25;
const pruneEveryMs = 3_600_000;
/** Number of polls after which the overlap is read again. WorkOS does not guarantee that events are ordered by identifier. */
const overlapEvery = 12;

const hourMs = 3_600_000;

export interface EventPollOptions {
  readonly store: Pick<Store, 'db'>;
  readonly mirror: Mirror;
  readonly source: MembershipSource;
  readonly log: Logger;
  readonly registry: Registry;
  /** Milliseconds between two polls. */
  readonly everyMs: number;
}

/**
 * Polls WorkOS's events, so that the mirror is right without webhooks too. The leading replica runs it. Two polls at the same time do no harm,
 * because every event is applied once and older events never overwrite newer data.
 */
export class EventPoll {
  readonly #options: EventPollOptions;
  readonly #db: Store['db'];
  readonly #misunderstood: Counter<'event'>;

  constructor(options: EventPollOptions) {
    this.#options = options;
    this.#db = options.store.db;
    this.#misunderstood = new Counter({
      name: 'tenantry_workos_events_misunderstood_total',
      help: 'Events of WorkOS with an unknown form. Their organizations are listed again.',
      labelNames: ['event'],
      registers: [options.registry],
    });
    // Present from the start, so that a rate starts at zero.
    for (const event of [...mirroredEvents, 'unreadable']) this.#misunderstood.inc({ event }, 0);
  }

  /** Polls until `signal` aborts. A failed poll is tried again after the interval. Meanwhile the mirror becomes too old, and lookups list. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, everyMs, mirror } = this.#options;
    let pruned = performance.now();
    for (let polls = 0, failures = 0; !signal.aborted; polls++) {
      try {
        await this.poll(signal, polls % overlapEvery === 0);
        failures = 0;
        if (performance.now() - pruned > pruneEveryMs) {
          pruned = performance.now();
          await mirror.prune();
        }
      } catch (err) {
        if (failures++ % 12 === 0 && !signal.aborted) log.warn({ err }, 'events of WorkOS cannot be read');
      }
      await delay(everyMs * (0.9 + 0.2 * Math.random()), undefined, { signal }).catch(() => {});
    }
  }

  /**
   * Reads all new events, and records the beginning of the poll as the time at which the mirror was complete.
   * @param overlap whether to read the last minutes again.
   */
  async poll(signal: AbortSignal, overlap = false): Promise<void> {
    const begun = performance.now();
    let position = await this.#position(overlap);
    for (let more = true; more && !signal.aborted; ) {
      let page: EventPage;
      try {
        page = await this.#options.source.events(position);
      } catch (error) {
        if (!(error instanceof PositionLost)) throw error;
        this.#options.log.warn({ err: error }, 'position in the events of WorkOS is unknown, listing all organizations again');
        await this.#startOver();
        position = await this.#position(false);
        continue;
      }
      await this.#apply(page);
      const last = page.events.at(-1);
      if (last !== undefined) {
        position = { after: last.id };
        await this.#db
          .updateTable('membership_cursors')
          .set({ event_id: last.id, event_at: new Date(last.createdAt) })
          .where('name', '=', 'events')
          .execute();
      }
      more = page.more;
    }
    if (signal.aborted) return;
    await this.#db
      .updateTable('membership_cursors')
      .set({
        polled_at: sql`clock_timestamp() - make_interval(secs => ${(performance.now() - begun) / 1000})`,
        since: sql`clock_timestamp() - make_interval(mins => ${overlapMinutes})`,
      })
      .where('name', '=', 'events')
      .execute();
  }

  async #apply({ events, unreadable }: EventPage): Promise<void> {
    const { mirror, log } = this.#options;
    for (const { event, error } of await mirror.applyAll(events)) {
      this.#misunderstood.inc({ event: event.event });
      log.error(
        { err: error, event: event.id, kind: event.event, organization: organizationOf(event) },
        'event of unknown form, listing its organization again',
      );
    }
    if (unreadable === 0) return;
    this.#misunderstood.inc({ event: 'unreadable' }, unreadable);
    log.error({ count: unreadable }, 'events of unreadable form, listing all organizations again');
    await mirror.forgetListings(undefined);
  }

  /** The position to continue from. At the first start, or after too long a gap, it is a few minutes ago, and all listings are invalid. */
  async #position(overlap: boolean): Promise<Position> {
    const cursor = await this.#db.selectFrom('membership_cursors').selectAll().where('name', '=', 'events').executeTakeFirst();
    if (cursor === undefined || Date.now() - cursor.since.getTime() > gapDays * 24 * hourMs) {
      await this.#startOver();
      return this.#position(false);
    }
    const { event_id: after, event_at: at, since } = cursor;
    const usable = !overlap && after !== null && at !== null && Date.now() - at.getTime() < staleDays * 24 * hourMs;
    return usable ? { after } : { since };
  }

  async #startOver(): Promise<void> {
    await this.#options.mirror.forgetListings(undefined);
    await sql`
      INSERT INTO membership_cursors (name, since) VALUES ('events', clock_timestamp() - make_interval(mins => ${overlapMinutes}))
      ON CONFLICT (name) DO UPDATE SET event_id = NULL, event_at = NULL, polled_at = NULL, since = excluded.since`.execute(this.#db);
  }
}
