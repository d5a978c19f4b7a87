import { describe, expect, test } from 'vitest';
import { accessOf, type ToolAccessByRole } from '../../../../control-plane/pods/tool-access.ts';

describe('access to tools', () => {
  const byRole: ToolAccessByRole = new Map([
    ['viewer', 'read'],
    ['guest', 'none'],
    ['*', 'all'],
  ]);

  test.each([
    [['viewer'], 'read'],
    [['guest'], 'none'],
    [['member'], 'all'],
    [['guest', 'viewer'], 'read'],
    [['viewer', 'member'], 'all'],
    [[], 'none'],
  ] as const)('of %j is %s', (roles, access) => {
    expect(accessOf(roles, byRole)).toBe(access);
  });

  test('is none for an unknown role without a rule for *', () => {
    expect(accessOf(['member'], new Map([['viewer', 'read']]))).toBe('none');
  });
});
