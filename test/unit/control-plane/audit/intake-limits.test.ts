import { beforeEach, describe, expect, test } from 'vitest';
import { IntakeLimits } from '../../../../control-plane/audit/intake-limits.ts';

describe('the rate of a tenant', () => {
  let now = 0;
  let limits: IntakeLimits;

  beforeEach(() => {
    now = 0;
    limits = new IntakeLimits({ recordsPerMinute: 60 }, () => now);
  });

  const send = (records: number, bytes = 0, tenant = 'acme') => {
    const wait = limits.waitSeconds(tenant);
    if (wait === 0) limits.count(tenant, { records, bytes });
    return wait;
  };

  test('allows a burst of forty minutes, and the average rate after it', () => {
    for (let sent = 0; sent < 2_400; sent += 100) expect(send(100)).toBe(0);
    expect(send(1)).toBe(1);
    now += 1_000;
    expect(send(30)).toBe(0);
    // It exceeded its credit by 29 records: a second for each.
    expect(send(1)).toBe(29);
    now += 28_000;
    expect(send(1)).toBe(1);
    now += 2_000;
    expect(send(1)).toBe(0);
  });

  test('limits bytes', () => {
    expect(send(1, 41 * 60 * 1024)).toBe(0);
    expect(send(1, 1)).toBe(60);
    now += 61_000;
    expect(send(1, 1)).toBe(0);
  });

  test('is separate for each tenant', () => {
    expect(send(3_000)).toBe(0);
    expect(send(1)).toBe(600);
    expect(send(1, 0, 'globex')).toBe(0);
  });

  test('never exceeds the burst after a long silence', () => {
    now += 86_400_000;
    expect(send(2_401)).toBe(0);
    expect(send(1)).toBe(1);
    now += 2_000;
    expect(send(1)).toBe(0);
  });

  test('frees the memory of inactive tenants', () => {
    for (let tenant = 0; tenant < 10_000; tenant += 1) send(1, 0, `old-${tenant}`);
    expect(send(3_000, 0, 'acme')).toBe(0);
    now += 81 * 60_000;
    expect(send(3_000, 0, 'globex')).toBe(0);
    // Removed tenants have full credit, and debts remain.
    expect([send(1, 0, 'old-1'), send(1, 0, 'acme'), send(1, 0, 'globex')]).toEqual([0, 0, 600]);
  });
});
