import { describe, expect, test } from 'vitest';
import { isReady, isSettled, isSuspended, type TenantWithEvents } from '../../cli/tenants/wait.ts';
import { condition } from './gen.ts';

const shown = (conditions: object[], observedGeneration = 2) =>
  ({ name: 'acme', generation: 2, status: { observedGeneration, conditions } }) as unknown as TenantWithEvents;
const ready = condition('Ready', 'True');
const settled = condition('Reconciling', 'False', 'Settled');

describe('waiting for a tenant', () => {
  test('ends when it is Ready with nothing left to do', () => {
    expect(isReady(shown([ready, settled]))).toBe(true);
    expect(isSettled(shown([settled]))).toBe(true);
  });

  test.each([
    ['the newest spec was not looked at yet', shown([ready, settled], 1)],
    ['a migration or roll-out is under way', shown([ready, condition('Reconciling', 'True')])],
    ['it is Stalled', shown([ready, settled, condition('Stalled', 'True', 'CrashLoop')])],
    ['it is gone', undefined],
  ])('goes on while %s', (_when, tenant) => {
    expect(isReady(tenant)).toBe(false);
  });

  test('for its suspension ends when its pods are stopped', () => {
    expect(isSuspended(shown([settled, condition('WorkloadAvailable', 'False', 'Suspended')]))).toBe(true);
    expect(isSuspended(shown([condition('Reconciling', 'True'), condition('WorkloadAvailable', 'False', 'Suspended')]))).toBe(false);
    expect(isSuspended(shown([settled, condition('WorkloadAvailable', 'True', 'Available')]))).toBe(false);
  });
});
