import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../net/backoff.ts';
import { endToEnd } from '../../net/hop-by-hop.ts';

describe('a back-off', () => {
  const backoff = { firstMs: 250, maxMs: 5_000 };

  it.each([
    [0, 250],
    [1, 250],
    [2, 500],
    [3, 1_000],
    [5, 4_000],
    [6, 5_000],
    [7, 5_000],
    [10_000, 5_000],
  ])('after %i failures waits %i ms', (failures, ms) => {
    expect(backoffMs(backoff, failures)).toBe(ms);
  });

  it('never shrinks with more failures, and stays between its bounds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2_000 }),
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1_000 }),
        (failures, firstMs, maxMs) => {
          const [now, next] = [backoffMs({ firstMs, maxMs }, failures), backoffMs({ firstMs, maxMs }, failures + 1)];
          expect(now).toBeGreaterThanOrEqual(firstMs);
          expect(next).toBeGreaterThanOrEqual(now);
          expect(next).toBeLessThanOrEqual(maxMs);
        },
      ),
    );
  });
});

describe('headers that a proxy passes on', () => {
  it('are those of the request, and none of the connection', () => {
    const ofConnection = { 'keep-alive': 'timeout=5', te: 'trailers', 'transfer-encoding': 'chunked', 'proxy-authorization': 'Basic x' };
    const headers = { host: 'a', 'set-cookie': ['a=1', 'b=2'], 'x-absent': undefined };
    expect(endToEnd({ ...headers, ...ofConnection, connection: 'keep-alive' })).toEqual({ host: 'a', 'set-cookie': ['a=1', 'b=2'] });
  });

  it.each([['X-Mine , x-other'], [['x-mine', 'X-Other']]])('are none that Connection names: %j', (connection) => {
    expect(endToEnd({ connection, 'x-mine': '1', 'x-other': '2', 'x-kept': '3' })).toEqual({ 'x-kept': '3' });
  });
});
