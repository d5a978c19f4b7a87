import { expect, test } from 'vitest';
import { membershipTuning } from '../../../../control-plane/memberships/create.ts';
import { memberMs } from '../../../../templates/sidecar/auth/memberships.ts';

test('the time limits add up to less than a minute on every path', () => {
  const { timing, pollMs } = membershipTuning;
  // Evidence of this age is the oldest anything is answered from; a sidecar believes the answer for its own time.
  expect(timing.evidenceMs + memberMs).toBeLessThanOrEqual(50_000);
  // One poll may fail, and take its time, before answers have to do without.
  expect(timing.evidenceMs).toBeGreaterThan(2 * pollMs + 4_000);
  expect(timing.answerMs).toBeLessThanOrEqual(timing.evidenceMs);
});
