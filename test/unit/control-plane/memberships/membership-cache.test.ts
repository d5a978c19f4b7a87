import { describe, expect, test } from 'vitest';
import { MembershipCache } from '../../../../control-plane/memberships/membership-cache.ts';

/** A clock that stands until it is told. */
function clock() {
  let time = 0;
  return { now: () => time, pass: (ms: number) => (time += ms) };
}

describe('cached answers', () => {
  const create = (maxEntries = 10) => {
    const time = clock();
    return { ...time, answers: new MembershipCache<string>({ maxEntries, now: time.now }) };
  };

  test('expire', () => {
    const { answers, pass } = create();
    answers.put('org', 'user', 'yes', 1_000, answers.begin());
    pass(999);
    expect(answers.get('org', 'user')).toBe('yes');
    pass(1);
    expect(answers.get('org', 'user')).toBeUndefined();
  });

  test.each([
    ['of a user in an organization', { organizationId: 'a', userId: '1' }, [undefined, 'a2', 'b1']],
    ['of an organization', { organizationId: 'a' }, [undefined, undefined, 'b1']],
    ['of a user everywhere', { userId: '1' }, [undefined, 'a2', undefined]],
    ['of an unknown organization', { organizationId: 'c', userId: '1' }, ['a1', 'a2', 'b1']],
  ])('%s are dropped', (_name, changed, left) => {
    const { answers } = create();
    for (const key of ['a1', 'a2', 'b1']) answers.put(key[0] ?? '', key[1] ?? '', key, 1_000, answers.begin());
    answers.drop(changed);
    expect([answers.get('a', '1'), answers.get('a', '2'), answers.get('b', '1')]).toEqual(left);
  });

  test('are not stored when a change arrived during the lookup', () => {
    const { answers } = create();
    const begun = answers.begin();
    answers.drop({ organizationId: 'org', userId: 'user' });
    answers.put('org', 'user', 'yes', 1_000, begun);
    expect(answers.get('org', 'user')).toBeUndefined();
  });

  test('never exceed their limit', () => {
    const { answers, pass } = create(3);
    for (const user of ['1', '2', '3']) answers.put('org', user, user, 100, answers.begin());
    pass(100);
    answers.put('org', '4', '4', 1_000, answers.begin());
    expect(answers.get('org', '4')).toBe('4');
    for (const user of ['5', '6', '7']) answers.put('org', user, user, 1_000, answers.begin());
    expect(['4', '5', '6', '7'].filter((user) => answers.get('org', user) !== undefined)).toEqual(['7']);
  });
});
