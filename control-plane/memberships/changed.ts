import { z } from 'zod';

/** Channel of the notifications about changed memberships between replicas. */
export const channel = 'memberships';

/** The answers that are no longer valid: of a user, of an organization, or of a user in an organization. */
export interface Changed {
  readonly organizationId?: string | undefined;
  readonly userId?: string | undefined;
}

const changed = z.array(z.object({ organizationId: z.string().optional(), userId: z.string().optional() }));

/** PostgreSQL takes 8,000 bytes a notification: https://www.postgresql.org/docs/current/sql-notify.html */
const perPayload = 50;

/** The payloads of notifications about `all`. */
export function payloadOf(all: readonly Changed[]): string[] {
  const payloads: string[] = [];
  for (let start = 0; start < all.length; start += perPayload) {
    const part = all.slice(start, start + perPayload).map(({ organizationId, userId }) => ({ organizationId, userId }));
    payloads.push(JSON.stringify(part));
  }
  return payloads;
}

/** Reads the payload of a notification; undefined for an unknown text. */
export function readPayload(payload: string): readonly Changed[] | undefined {
  try {
    return changed.parse(JSON.parse(payload));
  } catch {
    return undefined;
  }
}
