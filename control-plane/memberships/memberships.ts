import { ExpiringCache } from '../concurrency/expiring-cache.ts';
import type { Membership } from '../identity/provider.ts';
import { ProviderUnavailable } from '../identity/workos-connection.ts';
import type { Store } from '../store/store.ts';
import { Answers } from './answers.ts';
import { channel, readPayload } from './changed.ts';
import type { Finding, Mirror } from './mirror.ts';
import type { MembershipRecord } from './news.ts';
import type { OrganizationListing } from './organization-listing.ts';
import { isListingDue } from './resync-period.ts';
import type { MembershipSource } from './source.ts';

/** Milliseconds. */
export interface MembershipTiming {
  /** An answer of this replica is given again for so long at most. */
  readonly answerMs: number;
  /** Nothing is answered from what was complete longer ago. */
  readonly evidenceMs: number;
  /** A no is given again for so long at most. */
  readonly noMs: number;
  /** What WorkOS was asked so recently it is not asked again. */
  readonly confirmMs: number;
}

/**
 * With a poll of events every 5 s. A member removed at WorkOS is out at the latest:
 *
 *     20 s  after which nothing is answered from older evidence (evidenceMs), in memory or in the database,
 *   + 30 s  for which a sidecar believes a yes (templates/runtime/mcp/memberships.ts)
 *   = 50 s  of the 60 s promised; 10 s are left for WorkOS to tell of its own change and for requests under way.
 *
 * That holds whichever path fails, because evidence ages by itself. With a webhook or NOTIFY lost: an event is polled within 5 s, an
 * answer in memory ends within 10 s. Without the Events API: a webhook drops the answer at once, and once the last poll is 20 s old an
 * organization is listed before anybody is told yes. With WorkOS silent: yes for at most 20 s more, then 503. A removal whose webhook and
 * event are both lost, while events are polled, counts with the next listing, after an hour at the latest (resync-period.ts).
 */
export const membershipTiming: MembershipTiming = { answerMs: 10_000, evidenceMs: 20_000, noMs: 3_000, confirmMs: 2_000 };

export interface MembershipsOptions {
  readonly store: Pick<Store, 'listener'>;
  readonly mirror: Mirror;
  readonly listing: OrganizationListing;
  readonly source: MembershipSource;
  readonly timing: MembershipTiming;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Answer {
  readonly membership: Membership;
  /** When what it rests on was known to be complete. */
  readonly asOf: number;
  /** Whether WorkOS was asked for it, and not only the mirror. */
  readonly asked: boolean;
}

/** Answers held in memory: some 200 bytes each. */
const maxAnswers = 50_000;

/** Whether a user is an active member of an organization, and in which roles: from the mirror, which is only believed while it is fresh. */
export class Memberships {
  readonly #options: MembershipsOptions;
  readonly #answers: Answers<Answer>;
  readonly #asking = new Map<string, Promise<Answer>>();
  /** What WorkOS said of users in all organizations. A user who has just signed in asks again and again while a page loads. */
  readonly #ofUsers: ExpiringCache<readonly MembershipRecord[]>;
  /** Organizations that are being listed again, or were a moment ago: where that fails, their many members do not use up the reads of others. */
  readonly #listedAgain: ExpiringCache<unknown>;

  constructor(options: MembershipsOptions) {
    this.#options = options;
    this.#answers = new Answers({ maxEntries: maxAnswers, now: options.now });
    this.#ofUsers = new ExpiringCache({ now: options.now });
    this.#listedAgain = new ExpiringCache({ now: options.now });
    options.store.listener.on(
      channel,
      (payload) => {
        const changed = readPayload(payload);
        if (changed === undefined) this.#answers.dropAll();
        else for (const one of changed) this.#answers.drop(one);
      },
      () => this.#answers.dropAll(),
    );
  }

  /** @throws ProviderUnavailable when it can neither be known nor asked; what the store throws when the database is away. */
  async lookup(userId: string, organizationId: string): Promise<Membership> {
    return (await this.#current(userId, organizationId)).membership;
  }

  /**
   * Like lookup, but what WorkOS says at this moment, within two seconds: for whoever is about to be refused though a change that has not
   * arrived yet may have let them in. @throws as lookup does.
   */
  async confirm(userId: string, organizationId: string): Promise<Membership> {
    const known = await this.#current(userId, organizationId);
    if (known.asked && this.#options.now() - known.asOf < this.#options.timing.confirmMs) return known.membership;
    return (await this.#once(`confirm ${organizationId} ${userId}`, () => this.#ask(userId, organizationId))).membership;
  }

  /**
   * The user's primary role in each of the organizations where they are an active member: from the mirror while it is fresh for all of
   * them, else as WorkOS says it. @throws as lookup does.
   */
  async rolesIn(userId: string, organizationIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const [first, ...more] = organizationIds;
    if (first === undefined) return new Map();
    if (more.length === 0) {
      const membership = await this.lookup(userId, first);
      return new Map(membership.member ? [[first, membership.role]] : []);
    }
    const known = await this.#options.mirror.findIn(userId, organizationIds);
    const roles = [...known].flatMap(([id, finding]): [string, string][] => {
      const membership = membershipOf(finding);
      return membership.member ? [[id, membership.role]] : [];
    });
    for (const [id, { listed }] of known) this.#listInTime(id, listed);
    const fresh = organizationIds.every((id) => this.#isFresh(known.get(id)));
    // Somebody who is a member of none may have become one a moment ago.
    if (fresh && roles.length > 0) return new Map(roles);
    const asked = await this.#ofUsers.get(
      userId,
      () => this.#options.source.activeOf(userId),
      () => this.#options.timing.answerMs,
    );
    return new Map(asked.map(({ organizationId, roles: [role = ''] }) => [organizationId, role]));
  }

  async #current(userId: string, organizationId: string): Promise<Answer> {
    const remembered = this.#answers.get(organizationId, userId);
    return remembered ?? this.#once(`${organizationId} ${userId}`, () => this.#find(userId, organizationId));
  }

  async #once(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    const answer = ask().finally(() => this.#asking.delete(key));
    this.#asking.set(key, answer);
    return answer;
  }

  async #find(userId: string, organizationId: string): Promise<Answer> {
    const first = await this.#read(userId, organizationId);
    if (first.finding.removed) return this.#remember(userId, organizationId, first, true);
    if (!this.#isFresh(first.finding)) {
      // Too large to wait for: WorkOS is asked for this one user meanwhile.
      if (!(await this.#options.listing.run(organizationId))) return this.#ask(userId, organizationId);
      const second = await this.#read(userId, organizationId);
      // Slower than evidence may be old: nobody can tell.
      if (!this.#isFresh(second.finding)) throw new ProviderUnavailable('listing memberships', undefined);
      return this.#remember(userId, organizationId, second, true);
    }
    this.#listInTime(organizationId, first.finding.listed);
    if (first.finding.roles !== undefined) return this.#remember(userId, organizationId, first, false);
    // Perhaps a member of some seconds ago. Members themselves cost no request; strangers that hold a token for here are few.
    return this.#ask(userId, organizationId).catch((error: unknown) => {
      if (error instanceof ProviderUnavailable) return this.#remember(userId, organizationId, first, false);
      throw error;
    });
  }

  /** Has the organization listed again when it is time for it. Nobody waits for that, or minds a failure: it is tried again by who asks next. */
  #listInTime(organizationId: string, listed: number | undefined): void {
    if (listed === undefined || !isListingDue(organizationId, listed)) return;
    void this.#listedAgain.get(
      organizationId,
      () => this.#options.listing.run(organizationId).catch(() => false),
      () => this.#options.timing.answerMs,
    );
  }

  /** Asks WorkOS for this one user and enters the answer. */
  async #ask(userId: string, organizationId: string): Promise<Answer> {
    const { source, mirror } = this.#options;
    const begun = this.#answers.begin();
    const at = this.#options.now();
    const since = await mirror.clock();
    const records = await source.ofUser(userId, organizationId);
    await mirror.record(records, since);
    await mirror.forgetOthers(
      { organizationId, userId },
      records.map(({ id }) => id),
      since,
    );
    const finding = { ...(await mirror.find(userId, organizationId)), age: this.#options.now() - at };
    return this.#remember(userId, organizationId, { finding, at: this.#options.now(), begun }, true);
  }

  async #read(userId: string, organizationId: string): Promise<Reading> {
    const begun = this.#answers.begin();
    // Before the database is asked, so that evidence is taken for older than it is, never for younger.
    const at = this.#options.now();
    return { finding: await this.#options.mirror.find(userId, organizationId), at, begun };
  }

  #isFresh({ age }: Pick<Finding, 'age'> = { age: undefined }): boolean {
    return age !== undefined && age <= this.#options.timing.evidenceMs;
  }

  #remember(userId: string, organizationId: string, { finding, at, begun }: Reading, asked: boolean): Answer {
    const { answerMs, evidenceMs, noMs } = this.#options.timing;
    const membership = membershipOf(finding);
    const asOf = at - (finding.age ?? 0);
    const answer = { membership, asOf, asked };
    this.#answers.put(
      organizationId,
      userId,
      answer,
      Math.min(this.#options.now() + (membership.member ? answerMs : noMs), asOf + evidenceMs),
      begun,
    );
    return answer;
  }
}

interface Reading {
  readonly finding: Finding;
  /** When it was asked for. */
  readonly at: number;
  readonly begun: number;
}

function membershipOf({ roles, removed }: Finding): Membership {
  const [role] = roles ?? [];
  return removed || roles === undefined || role === undefined ? { member: false } : { member: true, role, roles };
}
