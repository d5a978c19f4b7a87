import { describe, expect, it } from 'vitest';
import { apiReport } from '../../../crds/api-report.ts';

describe('a report from a pod', () => {
  it('is taken as one line of bounded length, without control characters and marks that reorder text', () => {
    const detail = `a\u0000b\nc\u202Ed\u2028e${'x'.repeat(5000)}`;
    const { fault } = apiReport.parse({ fault: { reason: 'ApiNotReady', detail, seconds: 1 } });
    expect(fault?.detail).toMatch(/^a b c d ex+…$/);
    expect(fault?.detail).toHaveLength(300);
  });

  it('never ends in half a character', () => {
    const { fault } = apiReport.parse({ fault: { reason: 'ApiNotReady', detail: '😀'.repeat(400), seconds: 1 } });
    expect(fault?.detail.isWellFormed()).toBe(true);
  });

  it('keeps the first names of a list', () => {
    const first = Array.from({ length: 50 }, (_, index) => `GET /${index}`);
    const { document } = apiReport.parse({ document: { operations: 60, leftOut: { count: 50, first }, unmatched: [] } });
    expect(document?.leftOut).toEqual({ count: 50, first: first.slice(0, 10) });
  });

  it.each<[string, unknown]>([
    ['a reason of its own', { fault: { reason: 'Ready', detail: 'x', seconds: 1 } }],
    ['a negative time', { fault: { reason: 'ApiNotReady', detail: 'x', seconds: -1 } }],
    ['a text of megabytes', { fault: { reason: 'ApiNotReady', detail: 'x'.repeat(1e6), seconds: 1 } }],
    ['a count without end', { document: { operations: 1e300, leftOut: { count: 0, first: [] }, unmatched: [] } }],
    ['no object', 'ok'],
  ])('is refused with %s', (_name, report) => {
    expect(apiReport.safeParse(report).success).toBe(false);
  });
});
