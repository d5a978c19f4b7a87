import { describe, expect, test } from 'vitest';
import {
  type ConditionDefinition,
  type ConditionReason,
  conditionOfStall,
  conditions,
  conditionTypes,
  isStall,
  isTrue,
  reasonsOf,
  remedyOf,
  rfc3339,
  type Stall,
  stallsAtOnce,
  verdict,
  verdictOfStall,
} from '../../../crds/conditions.ts';

const definitions: Readonly<Record<string, ConditionDefinition>> = conditions;
const table = conditionTypes.flatMap((type) =>
  Object.entries(definitions[type]?.reasons ?? {}).map(([reason, definition]) => ({ type, reason, definition })),
);

describe('the table of condition reasons', () => {
  test.each(table)('describes $type=$reason in whole sentences', ({ reason, definition }) => {
    expect(reason).toMatch(/^([A-Z][a-z]+)+$/);
    expect(definition.description).toMatch(/^[A-Z].*\.$/);
    if (definition.remedy !== undefined) expect(definition.remedy).toMatch(/^[A-Z].*\.$/);
  });

  test('defines each stalling reason for one condition', () => {
    const stalling = table.filter(({ definition }) => 'stalls' in definition);
    for (const { type, reason } of stalling) {
      expect(table.filter((entry) => entry.reason === reason)).toHaveLength(1);
      expect(isStall(reason)).toBe(true);
      expect(conditionOfStall(reason)).toBe(type);
      expect(reasonsOf('Stalled')).toContain(reason);
      expect(remedyOf('Stalled', reason)).toBe(remedyOf(type, reason));
    }
    expect(reasonsOf('Stalled').filter(isStall)).toHaveLength(stalling.length);
  });

  test('keeps a reason that passes by itself from stalling', () => {
    for (const { reason, definition } of table) if ('status' in definition) expect(isStall(reason)).toBe(false);
  });
});

describe('a verdict', () => {
  test.each(table)('of $type=$reason has the status of the table', ({ type, reason, definition }) => {
    const wanted = 'status' in definition ? definition.status : type === 'Stalled' ? 'True' : 'False';
    expect(verdict(type, reason as ConditionReason, 'said')).toEqual({ type, status: wanted, reason, message: 'said' });
  });

  test.each(reasonsOf('Stalled').filter(isStall))('of the stall %s makes Stalled true', (reason: Stall) => {
    expect(verdict('Stalled', reason, 'said').status).toBe('True');
    expect(verdictOfStall(reason, 'said').type).toBe(conditionOfStall(reason));
  });
});

test.each(table)('$type=$reason stalls at once only if the table says so', ({ reason, definition }) => {
  expect(stallsAtOnce(reason)).toBe('stalls' in definition && definition.stalls === 'at once');
});

test('a verdict of a stall is False for its own condition', () => {
  for (const reason of reasonsOf('Stalled').filter(isStall))
    expect(verdictOfStall(reason, 'said').status).toBe(conditionOfStall(reason) === 'Stalled' ? 'True' : 'False');
});

test('a remedy belongs to its condition', () => {
  expect(remedyOf('TemplateResolved', 'CrashLoop')).toBeUndefined();
  expect(reasonsOf('TemplateResolved')).not.toContain('CrashLoop');
});

test('only a condition of that type and the status True holds', () => {
  const one = (type: string, status: 'True' | 'False' | 'Unknown') => ({ type, status, reason: '', message: '', lastTransitionTime: '' });
  expect(isTrue([one('Verified', 'True'), one('Ready', 'True')], 'Ready')).toBe(true);
  expect(isTrue([one('Verified', 'True'), one('Ready', 'Unknown')], 'Ready')).toBe(false);
  expect(isTrue([one('Verified', 'True')], 'Ready')).toBe(false);
  expect(isTrue(undefined, 'Ready')).toBe(false);
});

test('times have whole seconds', () => {
  expect(rfc3339(new Date('2026-01-02T03:04:05.999Z'))).toBe('2026-01-02T03:04:05Z');
});
