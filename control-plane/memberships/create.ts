import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
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
  /** Milliseconds between two polls of events; infinite for no polls. */
  readonly pollMs: number;
  readonly timing: MembershipTiming;
}

export const membershipTuning: MembershipTuning = { pollMs: 5_000, timing: membershipTiming };

export interface MembershipParts {
  readonly connection: WorkosConnection;
  readonly store: Store;
  readonly log: Logger;
  readonly registry: Registry;
  readonly tuning: MembershipTuning;
  /** Called for a change of a whole organization, such as its deletion. Calls may be missed. */
  readonly onOrganizationChanged: (id: string) => void;
}

/** Creates the membership mirror with its sources and readers. */
export function createMemberships({ connection, store, log, registry, tuning, onOrganizationChanged }: MembershipParts) {
  const mirror = new Mirror(store);
  const source = new MembershipSource(connection, new ReadBudget(store));
  const listing = new OrganizationListing(store, mirror, source, tuning.timing.evidenceMs / 4);
  const memberships = new Memberships({ store, mirror, listing, source, timing: tuning.timing, now: () => performance.now() });
  const poll = new EventPoll({ store, mirror, source, log, registry, everyMs: tuning.pollMs });
  store.listener.on(
    channel,
    (payload) => {
      for (const { organizationId, userId } of readPayload(payload) ?? [])
        if (organizationId !== undefined && userId === undefined) onOrganizationChanged(organizationId);
    },
    () => {},
  );
  return { memberships, mirror, poll };
}
