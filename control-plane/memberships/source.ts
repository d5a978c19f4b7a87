import { NotFoundException, type WorkOS } from '@workos-inc/node';
import { z } from 'zod';
import { ProviderUnavailable, type WorkosConnection } from '../identity/workos-connection.ts';
import { eventOf, type MembershipRecord, mirroredEvents, type ProviderEvent, recordOf } from './provider-events.ts';
import type { ReadBudget } from './read-budget.ts';

/** Position in the list of events: after an event, or from a time on. */
export type Position = { readonly after: string } | { readonly since: Date };

export interface EventPage {
  readonly events: readonly ProviderEvent[];
  /** Whether more events follow. */
  readonly more: boolean;
  /** Number of items of the page that are not events. */
  readonly unreadable: number;
}

const eventPage = z.object({ data: z.array(z.unknown()), list_metadata: z.object({ after: z.string().nullish() }).nullish() });

/** WorkOS does not know the position in the list of events. It is too old, or of another environment. */
export class PositionLost extends Error {}

const pageSize = 100;
const statuses = ['active', 'inactive', 'pending'] as const;

/** Reads memberships and events from WorkOS. Reads of memberships use the read budget. */
export class MembershipSource {
  readonly #connection: WorkosConnection;
  readonly #budget: Pick<ReadBudget, 'take'>;

  constructor(connection: WorkosConnection, budget: Pick<ReadBudget, 'take'>) {
    this.#connection = connection;
    this.#budget = budget;
  }

  /** All memberships of an organization with any status, page by page. @throws ProviderUnavailable */
  async *ofOrganization(organizationId: string): AsyncGenerator<MembershipRecord[], void, undefined> {
    let after: string | undefined;
    do {
      const place = after === undefined ? {} : { after };
      const page = await this.#list({ organizationId, order: 'asc', ...place });
      yield page.records;
      after = page.next;
    } while (after !== undefined);
  }

  /** All memberships of a user in an organization. More than one is not expected. @throws ProviderUnavailable */
  async ofUser(userId: string, organizationId: string): Promise<MembershipRecord[]> {
    const { records } = await this.#list({ userId, organizationId });
    // If the answer ignored a filter, it must not add foreign memberships.
    return records.filter((record) => record.userId === userId && record.organizationId === organizationId);
  }

  /** Active memberships of a user in all organizations. @throws ProviderUnavailable */
  async activeOf(userId: string): Promise<MembershipRecord[]> {
    const all: MembershipRecord[] = [];
    let after: string | undefined;
    do {
      const page = await this.#list({ userId, order: 'asc', ...(after === undefined ? {} : { after }) });
      all.push(...page.records);
      after = page.next;
    } while (after !== undefined);
    return all.filter((record) => record.userId === userId && record.status === 'active');
  }

  /** The next events, oldest first. @throws ProviderUnavailable, PositionLost */
  async events(position: Position): Promise<EventPage> {
    const place = 'after' in position ? { after: position.after } : { range_start: position.since.toISOString() };
    const query = { events: [...mirroredEvents], limit: pageSize, order: 'asc', ...place };
    try {
      const page = await this.#connection.read('reading events', async (sdk) =>
        eventPage.parse((await sdk.get('/events', { query })).data),
      );
      const events = page.data.map(eventOf).filter((event) => event !== undefined);
      return {
        events,
        more: typeof page.list_metadata?.after === 'string' && events.length > 0,
        unreadable: page.data.length - events.length,
      };
    } catch (error) {
      const lost = error instanceof ProviderUnavailable && [400, 404, 422].includes(error.status ?? 0) && 'after' in position;
      throw lost ? new PositionLost('WorkOS does not know the event to continue after', { cause: error }) : error;
    }
  }

  async #list(
    query: Parameters<WorkOS['userManagement']['listOrganizationMemberships']>[0],
  ): Promise<{ records: MembershipRecord[]; next: string | undefined }> {
    const operation = 'reading memberships';
    if (!(await this.#budget.take())) throw new ProviderUnavailable(operation, 429);
    return this.#connection.read(operation, async (sdk) => {
      try {
        const page = await sdk.userManagement.listOrganizationMemberships({ limit: pageSize, statuses: [...statuses], ...query });
        return { records: page.data.map(recordOf), next: page.listMetadata.after ?? undefined };
      } catch (error) {
        // WorkOS answers like this for an organization that does not exist, which has no members.
        if (error instanceof NotFoundException) return { records: [], next: undefined };
        throw error;
      }
    });
  }
}
