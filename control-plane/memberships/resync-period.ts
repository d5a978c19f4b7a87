import { hash } from 'node:crypto';

/**
 * Milliseconds after which an organization has to be listed again, however fresh the events are: what was missed, because an event never
 * came or a copy at WorkOS lagged behind when it was listed, would stay for ever. An hour costs little: of 10,000 organizations that are
 * all in use, 4 reads a second on average and 7 at most, where WorkOS answers 1,000 in 10 s; one with more than a hundred members takes a
 * read for each hundred.
 */
export const listingMs = 3_600_000;

/** Where in its hour an organization is listed again at the earliest, and after how much of what follows at the latest. */
const earliest = 0.5;
const spread = 0.4;

/**
 * Whether it is time to list the organization again, while what was listed still counts, so that nobody has to wait for it: each has its
 * own moment between 30 and 54 minutes, so that those listed at the same time are not listed again at the same time.
 * @param listedMs milliseconds since it was listed.
 */
export function isListingDue(organizationId: string, listedMs: number): boolean {
  const place = Number.parseInt(hash('sha256', organizationId).slice(0, 8), 16) / 2 ** 32;
  return listedMs >= listingMs * (earliest + spread * place);
}
