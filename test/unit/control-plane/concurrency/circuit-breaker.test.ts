import { describe, expect, test } from 'vitest';
import { CircuitBreaker } from '../../../../control-plane/concurrency/circuit-breaker.ts';

/** A clock that stands still between calls of `pass`. */
function clock() {
  let time = 0;
  return { now: () => time, pass: (ms: number) => (time += ms) };
}

describe('the circuit breaker of an unavailable host', () => {
  const create = () => {
    const time = clock();
    return { ...time, breaker: new CircuitBreaker({ now: time.now, random: () => 1 }) };
  };

  test('stays closed after two failures', () => {
    const { breaker } = create();
    for (let i = 0; i < 2; i++) breaker.enter()?.failed();
    breaker.enter()?.succeeded();
    for (let i = 0; i < 2; i++) breaker.enter()?.failed();
    expect(breaker.enter()).toBeDefined();
  });

  test('admits one request at a time after growing pauses of up to five seconds', () => {
    const { breaker, pass } = create();
    for (let i = 0; i < 3; i++) breaker.enter()?.failed();
    for (const pause of [500, 1_000, 2_000, 4_000, 5_000, 5_000]) {
      pass(pause - 1);
      expect(breaker.enter()).toBeUndefined();
      pass(1);
      const probe = breaker.enter();
      expect(probe).toBeDefined();
      expect(breaker.enter()).toBeUndefined();
      probe?.failed();
    }
  });

  test('respects a requested pause of at most ten seconds', () => {
    for (const [asked, pause] of [
      [3_000, 3_000],
      [600_000, 10_000],
      [3_600_000, 10_000],
    ] as const) {
      const { breaker, pass } = create();
      breaker.enter()?.failed(asked);
      pass(pause - 1);
      expect(breaker.enter()).toBeUndefined();
      pass(1);
      breaker.enter()?.succeeded();
      expect(breaker.enter()).toBeDefined();
    }
  });

  test('respects the longest of several requested pauses', () => {
    const { breaker, pass } = create();
    const [one, other] = [breaker.enter(), breaker.enter()];
    one?.failed(5_000);
    other?.failed(1_000);
    pass(4_999);
    expect(breaker.enter()).toBeUndefined();
    pass(1);
    expect(breaker.enter()).toBeDefined();
  });

  test('keeps its pause when a request that was under way fails', () => {
    const { breaker, pass } = create();
    const underWay = breaker.enter();
    breaker.enter()?.failed(8_000);
    underWay?.failed();
    pass(7_999);
    expect(breaker.enter()).toBeUndefined();
    pass(1);
    expect(breaker.enter()).toBeDefined();
  });

  test('waits at least half of a pause', () => {
    const { now, pass } = clock();
    const breaker = new CircuitBreaker({ now, random: () => 0 });
    for (let i = 0; i < 3; i++) breaker.enter()?.failed();
    pass(249);
    expect(breaker.enter()).toBeUndefined();
    pass(1);
    expect(breaker.enter()).toBeDefined();
  });

  test('admits all requests after a success', () => {
    const { breaker, pass } = create();
    for (let i = 0; i < 3; i++) breaker.enter()?.failed();
    pass(500);
    breaker.enter()?.succeeded();
    expect([breaker.enter(), breaker.enter()].every((permit) => permit !== undefined)).toBe(true);
  });
});

describe('a host that is down again after it was up', () => {
  const down = (breaker: CircuitBreaker): void => {
    for (let i = 0; i < 3; i++) breaker.enter()?.failed();
  };

  test('is probed again, with pauses that start short', () => {
    const { now, pass } = clock();
    const breaker = new CircuitBreaker({ now, random: () => 1 });
    for (let outage = 0; outage < 2; outage++) {
      down(breaker);
      expect(breaker.enter()).toBeUndefined();
      pass(500);
      breaker.enter()?.failed();
      pass(999);
      expect(breaker.enter()).toBeUndefined();
      pass(1);
      breaker.enter()?.succeeded();
    }
    expect(breaker.enter()).toBeDefined();
  });

  test('gets no second probe because of a request that began before the outage', () => {
    const { now, pass } = clock();
    const breaker = new CircuitBreaker({ now, random: () => 1 });
    const [before] = [breaker.enter()];
    down(breaker);
    pass(500);
    expect(breaker.enter()).toBeDefined();
    before?.failed();
    pass(60_000);
    expect(breaker.enter()).toBeUndefined();
  });

  test('counts a pause of zero milliseconds as none', () => {
    const { now } = clock();
    const breaker = new CircuitBreaker({ now, random: () => 1 });
    breaker.enter()?.failed(0);
    expect(breaker.enter()).toBeDefined();
    breaker.enter()?.failed(1);
    expect(breaker.enter()).toBeUndefined();
  });
});
