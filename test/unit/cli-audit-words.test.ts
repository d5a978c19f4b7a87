import { expect, test } from 'vitest';
import { actionInWords, actorInWords } from '../../cli/commands/audit/words.ts';

const keyNames = new Map([['3mX9aQ7bK2Lp', 'nightly']]);

test.each([
  ['user_01A', undefined, 'user user_01A'],
  ['user_01A', 'ada@example.com', 'user user_01A (by ada@example.com)'],
  ['client_01B', undefined, 'application client_01B'],
  ['key:3mX9aQ7bK2Lp', undefined, 'API key nightly (3mX9aQ7bK2Lp)'],
  ['key:revoked00000', undefined, 'API key revoked00000'],
  ['tenantry-system/tenantry-operator', undefined, 'operator'],
  ['somebody-else', undefined, 'somebody-else'],
])('the actor %s, impersonated by %s, is shown as %s', (actor, impersonator, words) => {
  expect(actorInWords({ actor, ...(impersonator === undefined ? {} : { impersonator }) }, keyNames)).toBe(words);
});

test('a tool call is shown with its tool, and any other action as it is', () => {
  expect(actionInWords({ action: 'tools.call', details: { tool: 'create_note', arguments: {} } })).toBe('tools.call create_note');
  for (const details of [{}, null, undefined, 'text', { tool: 7 }])
    expect(actionInWords({ action: 'tenants.create', details })).toBe('tenants.create');
});
