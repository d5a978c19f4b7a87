import { ExpiringCache } from '../concurrency/expiring-cache.ts';
import type { Membership } from '../identity/provider.ts';
import { ProviderUnavailable } from '../identity/workos-connection.ts';
import type { Store } from '../store/store.ts';
import { channel, readPayload } from './changed.ts';
import { MembershipCache } from './membership-cache.ts';
import type { Finding, Mirror } from './mirror.ts';
import type { OrganizationListing } from './organization-listing.ts';
import type { MembershipRecord } from './provider-events.ts';
import { isListingDue } from './resync-period.ts';
import type { MembershipSource } from './source.ts';

/** Time limits, in milliseconds. */
export interface MembershipTiming {
  /** Longest lifetime of a cached answer of this replica. */
  readonly answerMs: number;
  /** Largest age of evidence that an answer may rest on. */
  readonly evidenceMs: number;
  /** Longest lifetime of a cached negative answer. */
  readonly noMs: number;
  /** Time in which the same question is not sent to WorkOS again. */
  readonly confirmMs: number;
}

/**
 * Events are polled every 5 s. A member who was removed at WorkOS loses access after at most:
 *
 *     20 s  largest age of evidence (evidenceMs), in memory or in the database,
 *   + 30 s  for which a sidecar trusts a positive answer (templates/sidecar/auth/memberships.ts)
 *   = 50 s  of the promised 60 s; 10 s are left for WorkOS to publish the change and for requests under way.
 *
 * This holds for every failure, because evidence ages by itself. If a webhook or NOTIFY is lost, the event is polled within 5 s and an
 * answer in memory expires within 10 s. Without the Events API, a webhook drops the answer at once. When the last poll is 20 s old, an
 * organization is listed before any positive answer. If WorkOS does not answer, positive answers last for 20 s, then requests get 503. If the
 * webhook and the event of a removal are both lost, the next listing finds the removal, after at most an hour (resync-period.ts).
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
  /** Time at which the evidence was complete. */
  readonly asOf: number;
  /** Whether WorkOS was asked, and not only the mirror. */
  readonly asked: boolean;
}

/** Most answers in memory, each of about 200 bytes. */
const maxAnswers = 50_000;

/** Answers whether a user is an active member of an organization, and with which roles. It trusts the mirror only while it is fresh. */
export class Memberships {
  readonly #options: MembershipsOptions;
  readonly #cache: MembershipCache<Answer>;
  readonly #asking = new Map<string, Promise<Answer>>();
  /** WorkOS's answers about users in all organizations. A user's client asks repeatedly after sign-in. */
  readonly #ofUsers: ExpiringCache<readonly MembershipRecord[]>;
  /** Organizations that are being listed, or were a moment ago. If listing one fails, its members must not use up the reads of others. */
  readonly #listedAgain: ExpiringCache<unknown>;

  constructor(options: MembershipsOptions) {
    this.#options = options;
    this.#cache = new MembershipCache({ maxEntries: maxAnswers, now: options.now });
    this.#ofUsers = new ExpiringCache({ now: options.now });
    this.#listedAgain = new ExpiringCache({ now: options.now });
    options.store.listener.on(
      channel,
      (payload) => {
        const changed = readPayload(payload);
        if (changed === undefined) this.#cache.dropAll();
        else for (const one of changed) this.#cache.drop(one);
      },
      () => this.#cache.dropAll(),
    );
  }

  /** @throws ProviderUnavailable when the mirror is not fresh and WorkOS does not answer; errors of the store when the database is away. */
  async lookup(userId: string, organizationId: string): Promise<Membership> {
    return (await this.#current(userId, organizationId)).membership;
  }

  /**
   * Like `lookup`, but with an answer of WorkOS that is at most two seconds old. Use it before refusing a user, because a change that admits
   * the user may not have arrived yet. @throws the errors of `lookup`.
   */
  async confirm(userId: string, organizationId: string): Promise<Membership> {
    const known = await this.#current(userId, organizationId);
    if (known.asked && this.#options.now() - known.asOf < this.#options.timing.confirmMs) return known.membership;
    return (await this.#once(`confirm ${organizationId} ${userId}`, () => this.#ask(userId, organizationId))).membership;
  }

  /**
   * The user's primary role in each organization with an active membership. It comes from the mirror if that is fresh for all organizations,
   * else from WorkOS. @throws the errors of `lookup`.
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
    // A user without memberships may have become a member a moment ago.
    if (fresh && roles.length > 0) return new Map(roles);
    const asked = await this.#ofUsers.get(
      userId,
      () => this.#options.source.activeOf(userId),
      () => this.#options.timing.answerMs,
    );
    return new Map(asked.map(({ organizationId, roles: [role = ''] }) => [organizationId, role]));
  }

  async #current(userId: string, organizationId: string): Promise<Answer> {
    const remembered = this.#cache.get(organizationId, userId);
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
      // The listing takes too long to wait for, so WorkOS is asked for this user alone.
      if (!(await this.#options.listing.run(organizationId))) return this.#ask(userId, organizationId);
      const second = await this.#read(userId, organizationId);
      // The lookup took longer than evidence may age, so the answer is unknown.
      if (!this.#isFresh(second.finding)) throw new ProviderUnavailable('listing memberships', undefined);
      return this.#remember(userId, organizationId, second, true);
    }
    this.#listInTime(organizationId, first.finding.listed);
    if (first.finding.roles !== undefined) return this.#remember(userId, organizationId, first, false);
    // The user may have become a member some seconds ago. Few users with a token are not members, so the request to WorkOS is rare.
    return this.#ask(userId, organizationId).catch((error: unknown) => {
      if (error instanceof ProviderUnavailable) return this.#remember(userId, organizationId, first, false);
      throw error;
    });
  }

  /** Starts a listing of the organization when it is due. It runs in the background. After a failure the next lookup tries again. */
  #listInTime(organizationId: string, listed: number | undefined): void {
    if (listed === undefined || !isListingDue(organizationId, listed)) return;
    void this.#listedAgain.get(
      organizationId,
      () => this.#options.listing.run(organizationId).catch(() => false),
      () => this.#options.timing.answerMs,
    );
  }

  /** Asks WorkOS for this user and stores the answer in the mirror. */
  async #ask(userId: string, organizationId: string): Promise<Answer> {
    const { source, mirror } = this.#options;
    const begun = this.#cache.begin();
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
    const begun = this.#cache.begin();
    // Taken before the query, so that evidence never seems younger than it is.
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
    this.#cache.put(
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
  /** Time of the request. */
  readonly at: number;
  readonly begun: number;
}

function membershipOf({ roles, removed }: Finding): Membership {
  const [role] = roles ?? [];
  return removed || roles === undefined || role === undefined ? { member: false } : { member: true, role, roles };
}
