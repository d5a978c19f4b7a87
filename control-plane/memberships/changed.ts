import { z } from 'zod';

/** Channel on which replicas tell each other whose memberships changed. */
export const channel = 'memberships';

/** Whose answers are not to be given any more: of a user, of an organization, or of a user in an organization. */
export interface Changed {
  readonly organizationId?: string | undefined;
  readonly userId?: string | undefined;
}

const changed = z.array(z.object({ organizationId: z.string().optional(), userId: z.string().optional() }));

/** PostgreSQL takes 8,000 bytes a notification: https://www.postgresql.org/docs/current/sql-notify.html */
const perPayload = 50;

/** The texts of the notifications that tell of `all`. */
export function payloadOf(all: readonly Changed[]): string[] {
  const payloads: string[] = [];
  for (let start = 0; start < all.length; start += perPayload) {
    const part = all.slice(start, start + perPayload).map(({ organizationId, userId }) => ({ organizationId, userId }));
    payloads.push(JSON.stringify(part));
  }
  return payloads;
}

/** What a notification told; undefined for a text that is none of ours. */
export function readPayload(payload: string): readonly Changed[] | undefined {
  try {
    return changed.parse(JSON.parse(payload));
  } catch {
    return undefined;
  }
}
