import { beforeEach, describe, expect, test } from 'vitest';
import { CircuitBreaker, type Permit } from '../../control-plane/concurrency/circuit-breaker.ts';

let now = 0;
let random = 1;
let breaker: CircuitBreaker;

beforeEach(() => {
  now = 1_000;
  random = 1;
  breaker = new CircuitBreaker({ now: () => now, random: () => random });
});

function enter(): Permit {
  const permit = breaker.enter();
  if (permit === undefined) throw new Error('the request is refused');
  return permit;
}

function fail(times: number): void {
  for (let count = 0; count < times; count++) enter().failed();
}

/** Milliseconds until a request is let through. */
function pause(): number {
  const began = now;
  for (; now < began + 60_000; now++) {
    const permit = breaker.enter();
    if (permit === undefined) continue;
    permit.failed();
    return now - began;
  }
  throw new Error('every request is refused');
}

describe('the circuit breaker of a host', () => {
  test('lets requests through after two failures in a row', () => {
    fail(2);
    expect(breaker.enter()).toBeDefined();
  });

  test('refuses requests for half a second after the third failure', () => {
    fail(3);
    expect(breaker.enter()).toBeUndefined();
    now += 499;
    expect(breaker.enter()).toBeUndefined();
    now += 1;
    expect(breaker.enter()).toBeDefined();
  });

  test('forgets failures after a success', () => {
    fail(2);
    enter().succeeded();
    fail(2);
    expect(breaker.enter()).toBeDefined();
  });

  test('lets one probe through at a time', () => {
    fail(3);
    now += 500;
    const probe = enter();
    expect(breaker.enter()).toBeUndefined();
    probe.succeeded();
    expect(breaker.enter()).toBeDefined();
    expect(breaker.enter()).toBeDefined();
  });

  test('lets the next probe through after one that failed', () => {
    fail(3);
    now += 500;
    enter().failed();
    expect(breaker.enter()).toBeUndefined();
    now += 1_000;
    expect(breaker.enter()).toBeDefined();
  });

  test('waits twice as long after each failed probe, up to five seconds', () => {
    fail(3);
    expect([pause(), pause(), pause(), pause(), pause(), pause()]).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  });

  test('waits between half and all of the pause', () => {
    random = 0;
    fail(3);
    expect(pause()).toBe(250);
  });

  test('refuses requests at once where the host asks for a pause, for at most ten seconds', () => {
    enter().failed(3_000);
    expect(pause()).toBe(3_000);
    breaker = new CircuitBreaker({ now: () => now, random: () => random });
    enter().failed(3_600_000);
    expect(pause()).toBe(10_000);
  });

  test('refuses requests no shorter because of one that was under way', () => {
    const underWay = enter();
    enter().failed(8_000);
    underWay.failed();
    expect(pause()).toBe(8_000);
  });
});
