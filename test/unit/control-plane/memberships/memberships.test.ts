import { describe, expect, test } from 'vitest';
import { CircuitBreaker } from '../../../../control-plane/concurrency/circuit-breaker.ts';
import { Answers } from '../../../../control-plane/memberships/answers.ts';
import { payloadOf, readPayload } from '../../../../control-plane/memberships/changed.ts';
import { membershipTuning } from '../../../../control-plane/memberships/create.ts';
import { changeOf, eventOf, organizationOf } from '../../../../control-plane/memberships/provider-events.ts';
import { isListingDue, listingMs } from '../../../../control-plane/memberships/resync-period.ts';
import { accessOf, type ToolAccessByRole } from '../../../../control-plane/pods/tool-access.ts';
import { memberMs } from '../../../../templates/runtime/mcp/memberships.ts';

/** A clock that stands until it is told. */
function clock() {
  let time = 0;
  return { now: () => time, pass: (ms: number) => (time += ms) };
}

test('a member who was removed is out within a minute, whichever path failed', () => {
  const { timing, pollMs } = membershipTuning;
  // Evidence of this age is the oldest anything is answered from; a sidecar believes the answer for its own time.
  expect(timing.evidenceMs + memberMs).toBeLessThanOrEqual(50_000);
  // One poll may fail, and take its time, before answers have to do without.
  expect(timing.evidenceMs).toBeGreaterThan(2 * pollMs + 4_000);
  expect(timing.answerMs).toBeLessThanOrEqual(timing.evidenceMs);
});

test('10,000 organizations that were listed at the same time are listed again in time, and not at the same time', () => {
  const organizations = Array.from({ length: 10_000 }, (_, i) => `org_${i}`);
  const due = Array.from({ length: 61 }, (_, minutes) => organizations.filter((id) => isListingDue(id, minutes * 60_000)).length);
  const perMinute = due.slice(1).map((all, minute) => all - (due[minute] ?? 0));
  // WorkOS answers 6,000 reads a minute, of which the mirror takes 1,800 at most.
  expect(Math.max(...perMinute)).toBeLessThan(600);
  expect(due[29]).toBe(0);
  // Some minutes are left for WorkOS to be away in.
  expect(due[listingMs / 60_000 - 5]).toBe(organizations.length);
});

describe('remembered answers', () => {
  const create = (maxEntries = 10) => {
    const time = clock();
    return { ...time, answers: new Answers<string>({ maxEntries, now: time.now }) };
  };

  test('end by themselves', () => {
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
    ['of nobody that is known', { organizationId: 'c', userId: '1' }, ['a1', 'a2', 'b1']],
  ])('%s are dropped', (_name, changed, left) => {
    const { answers } = create();
    for (const key of ['a1', 'a2', 'b1']) answers.put(key[0] ?? '', key[1] ?? '', key, 1_000, answers.begin());
    answers.drop(changed);
    expect([answers.get('a', '1'), answers.get('a', '2'), answers.get('b', '1')]).toEqual(left);
  });

  test('that were looked up before something changed are not remembered after it', () => {
    const { answers } = create();
    const begun = answers.begin();
    answers.drop({ organizationId: 'org', userId: 'user' });
    answers.put('org', 'user', 'yes', 1_000, begun);
    expect(answers.get('org', 'user')).toBeUndefined();
  });

  test('never grow beyond their number', () => {
    const { answers, pass } = create(3);
    for (const user of ['1', '2', '3']) answers.put('org', user, user, 100, answers.begin());
    pass(100);
    answers.put('org', '4', '4', 1_000, answers.begin());
    expect(answers.get('org', '4')).toBe('4');
    for (const user of ['5', '6', '7']) answers.put('org', user, user, 1_000, answers.begin());
    expect(['4', '5', '6', '7'].filter((user) => answers.get('org', user) !== undefined)).toEqual(['7']);
  });
});

describe('a host that is down', () => {
  const create = () => {
    const time = clock();
    return { ...time, gate: new CircuitBreaker({ now: time.now, random: () => 1 }) };
  };

  test('is asked on after a failure or two', () => {
    const { gate } = create();
    for (let i = 0; i < 2; i++) gate.enter()?.failed();
    gate.enter()?.succeeded();
    for (let i = 0; i < 2; i++) gate.enter()?.failed();
    expect(gate.enter()).toBeDefined();
  });

  test('is asked by one at a time, after pauses that grow to five seconds', () => {
    const { gate, pass } = create();
    for (let i = 0; i < 3; i++) gate.enter()?.failed();
    for (const pause of [500, 1_000, 2_000, 4_000, 5_000, 5_000]) {
      pass(pause - 1);
      expect(gate.enter()).toBeUndefined();
      pass(1);
      const probe = gate.enter();
      expect(probe).toBeDefined();
      expect(gate.enter()).toBeUndefined();
      probe?.failed();
    }
  });

  test('that says how long it wants to be left alone is, at once, but for ten seconds at most', () => {
    for (const [asked, pause] of [
      [3_000, 3_000],
      [600_000, 10_000],
    ] as const) {
      const { gate, pass } = create();
      gate.enter()?.failed(asked);
      pass(pause - 1);
      expect(gate.enter()).toBeUndefined();
      pass(1);
      gate.enter()?.succeeded();
      expect(gate.enter()).toBeDefined();
    }
  });

  test('that was asked by several at once is left alone for the longest of what it said', () => {
    const { gate, pass } = create();
    const [one, other] = [gate.enter(), gate.enter()];
    one?.failed(5_000);
    other?.failed(1_000);
    pass(4_999);
    expect(gate.enter()).toBeUndefined();
    pass(1);
    expect(gate.enter()).toBeDefined();
  });

  test('is open to all once one got through', () => {
    const { gate, pass } = create();
    for (let i = 0; i < 3; i++) gate.enter()?.failed();
    pass(500);
    gate.enter()?.succeeded();
    expect([gate.enter(), gate.enter()].every((permit) => permit !== undefined)).toBe(true);
  });
});

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

  test('is none for a role nobody has thought of, where there is no rule for the rest', () => {
    expect(accessOf(['member'], new Map([['viewer', 'read']]))).toBe('none');
  });
});

describe('change', () => {
  const data = { id: 'om_1', userId: 'user_1', organizationId: 'org_1', status: 'active', updatedAt: '2026-01-01T00:00:00.000Z' };
  const event = (name: string, of: unknown) => ({ id: 'event_1', event: name, createdAt: '2026-01-02T00:00:00.000Z', data: of });

  test('of a membership carries every role, the primary one first', () => {
    const roles = { role: { slug: 'member' }, roles: [{ slug: 'viewer' }, { slug: 'member' }] };
    const change = changeOf(event('organization_membership.updated', { ...data, ...roles }));
    expect(change).toMatchObject({ kind: 'membership', record: { roles: ['member', 'viewer'], status: 'active' } });
  });

  test('of a deletion needs no role, and is as late as the event', () => {
    const { status: _status, updatedAt: _updatedAt, ...rest } = data;
    expect(changeOf(event('organization_membership.deleted', rest))).toMatchObject({
      record: { status: 'deleted', updatedAt: new Date('2026-01-02T00:00:00.000Z') },
    });
  });

  test('of other things is none, and a shape nobody knows is not guessed at', () => {
    expect(changeOf(event('dsync.activated', {}))).toBeUndefined();
    expect(() => changeOf(event('organization_membership.updated', { ...data, role: {}, status: 'paused' }))).toThrow();
  });

  test('as the Events API sends it is read whatever it carries, and what is no event is none', () => {
    const sent = { object: 'event', id: 'event_1', event: 'user.deleted', created_at: '2026-01-02T00:00:00.000Z' };
    expect(eventOf({ ...sent, data: { id: 'user_1', updated_at: 'x', role: { role_slug: 'a_b' } } })).toEqual({
      id: 'event_1',
      event: 'user.deleted',
      createdAt: '2026-01-02T00:00:00.000Z',
      data: { id: 'user_1', updatedAt: 'x', role: { role_slug: 'a_b' } },
    });
    for (const data of [undefined, null, 'text', 7, []]) expect(eventOf({ ...sent, data })).toMatchObject({ id: 'event_1' });
    for (const none of [null, 'text', {}, { ...sent, id: '' }, { ...sent, id: 7 }, { ...sent, created_at: 'yesterday' }])
      expect(eventOf(none)).toBeUndefined();
  });

  test('that nobody understands says of which organization it is, where it can be made out', () => {
    expect(organizationOf(event('organization_membership.updated', { organizationId: 'org_1', status: 'paused' }))).toBe('org_1');
    expect(organizationOf(event('organization.deleted', { id: 'org_1', domains: null }))).toBe('org_1');
    for (const nobody of [
      event('user.deleted', { id: 'user_1' }),
      event('organization_membership.updated', null),
      event('user.deleted', 'x'),
    ])
      expect(organizationOf(nobody)).toBeUndefined();
  });

  test('for other replicas fits into notifications', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => ({
      organizationId: `org_${i}`.padEnd(64, 'x'),
      userId: `user_${i}`.padEnd(40, 'x'),
    }));
    const payloads = payloadOf(many);
    expect(payloads.every((payload) => Buffer.byteLength(payload) < 8_000)).toBe(true);
    expect(payloads.flatMap((payload) => readPayload(payload))).toEqual(many);
    expect(readPayload('nonsense')).toBeUndefined();
  });
});
