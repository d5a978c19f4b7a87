import { hash } from 'node:crypto';

/**
 * Milliseconds after which an organization is listed again although events arrive. Otherwise an error would stay for ever when an event was
 * lost or a listing came from an old copy at WorkOS. An hour costs little: 10,000 active organizations need 4 reads a second on average and 7
 * at most, and WorkOS answers 1,000 in 10 s. An organization needs one read for each hundred members.
 */
export const listingMs = 3_600_000;

/** Part of the hour after which the first organizations are due, and part of the hour over which the others spread. */
const earliest = 0.5;
const spread = 0.4;

/**
 * Whether the organization is due for a new listing. It is due while the old listing is still valid, so that callers do not wait. Each
 * organization has its own time between 30 and 54 minutes, so that organizations that were listed together spread out.
 * @param listedMs milliseconds since the last listing.
 */
export function isListingDue(organizationId: string, listedMs: number): boolean {
  const place = Number.parseInt(hash('sha256', organizationId).slice(0, 8), 16) / 2 ** 32;
  return listedMs >= listingMs * (earliest + spread * place);
}
