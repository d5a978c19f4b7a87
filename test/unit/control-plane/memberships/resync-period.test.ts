import { expect, test } from 'vitest';
import { isListingDue, listingMs } from '../../../../control-plane/memberships/resync-period.ts';

test('spreads the next listings of 10,000 organizations over time', () => {
  const organizations = Array.from({ length: 10_000 }, (_, i) => `org_${i}`);
  const due = Array.from({ length: 61 }, (_, minutes) => organizations.filter((id) => isListingDue(id, minutes * 60_000)).length);
  const perMinute = due.slice(1).map((all, minute) => all - (due[minute] ?? 0));
  // WorkOS answers 6,000 reads a minute, of which the mirror takes 1,800 at most.
  expect(Math.max(...perMinute)).toBeLessThan(600);
  expect(due[29]).toBe(0);
  // Some minutes are left for WorkOS to be away in.
  expect(due[listingMs / 60_000 - 5]).toBe(organizations.length);
});
