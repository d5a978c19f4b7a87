import { describe, expect, test } from 'vitest';
import { changeOf, eventOf, organizationOf } from '../../../../control-plane/memberships/provider-events.ts';

describe('the change of an event', () => {
  const data = { id: 'om_1', userId: 'user_1', organizationId: 'org_1', status: 'active', updatedAt: '2026-01-01T00:00:00.000Z' };
  const event = (name: string, of: unknown) => ({ id: 'event_1', event: name, createdAt: '2026-01-02T00:00:00.000Z', data: of });

  test('has every role of a membership, the primary one first', () => {
    const roles = { role: { slug: 'member' }, roles: [{ slug: 'viewer' }, { slug: 'member' }] };
    const change = changeOf(event('organization_membership.updated', { ...data, ...roles }));
    expect(change).toMatchObject({ kind: 'membership', record: { roles: ['member', 'viewer'], status: 'active' } });
  });

  test('needs no role for a deletion, and has the time of the event', () => {
    const { status: _status, updatedAt: _updatedAt, ...rest } = data;
    expect(changeOf(event('organization_membership.deleted', rest))).toMatchObject({
      record: { status: 'deleted', updatedAt: new Date('2026-01-02T00:00:00.000Z') },
    });
  });

  test('is undefined for other events, and throws for unknown forms', () => {
    expect(changeOf(event('dsync.activated', {}))).toBeUndefined();
    expect(() => changeOf(event('organization_membership.updated', { ...data, role: {}, status: 'paused' }))).toThrow();
  });

  test('accepts events with any data, and refuses other objects', () => {
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

  test('has the organization of an unknown form where it is readable', () => {
    expect(organizationOf(event('organization_membership.updated', { organizationId: 'org_1', status: 'paused' }))).toBe('org_1');
    expect(organizationOf(event('organization.deleted', { id: 'org_1', domains: null }))).toBe('org_1');
    for (const nobody of [
      event('user.deleted', { id: 'user_1' }),
      event('organization_membership.updated', null),
      event('user.deleted', 'x'),
    ])
      expect(organizationOf(nobody)).toBeUndefined();
  });
});
