import type { Logger } from 'pino';
import type { WorkosConnection } from '../identity/workos-connection.ts';
import type { Store } from '../store/store.ts';
import { channel, readPayload } from './changed.ts';
import { EventPoll } from './event-poll.ts';
import { Memberships, type MembershipTiming, membershipTiming } from './memberships.ts';
import { Mirror } from './mirror.ts';
import { OrganizationListing } from './organization-listing.ts';
import { ReadBudget } from './read-budget.ts';
import { MembershipSource } from './source.ts';

export interface MembershipTuning {
  /** Milliseconds between two polls of events; infinite to not poll. */
  readonly pollMs: number;
  readonly timing: MembershipTiming;
}

export const membershipTuning: MembershipTuning = { pollMs: 5_000, timing: membershipTiming };

/**
 * The mirror of memberships, with what feeds it and what reads it.
 * @param onOrganizationGone told of an organization that was deleted at WorkOS. The news of one may be lost.
 */
export function createMemberships(
  connection: WorkosConnection,
  store: Store,
  log: Logger,
  tuning: MembershipTuning,
  onOrganizationGone: (id: string) => void,
) {
  const mirror = new Mirror(store);
  const source = new MembershipSource(connection, new ReadBudget(store));
  const listing = new OrganizationListing(store, mirror, source, tuning.timing.evidenceMs / 4);
  const memberships = new Memberships({ store, mirror, listing, source, timing: tuning.timing, now: () => performance.now() });
  const poll = new EventPoll({ store, mirror, source, log, everyMs: tuning.pollMs });
  store.listener.on(
    channel,
    (payload) => {
      // News of all its members at once is told only of an organization that is gone.
      for (const { organizationId, userId } of readPayload(payload) ?? [])
        if (organizationId !== undefined && userId === undefined) onOrganizationGone(organizationId);
    },
    () => {},
  );
  return { memberships, mirror, source, poll };
}
