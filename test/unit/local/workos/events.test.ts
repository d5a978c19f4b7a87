import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventName } from '@workos-inc/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEnvironment, type TestEnvironment } from './environment.ts';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await startEnvironment();
});

afterAll(() => environment[Symbol.asyncDispose]());

const membershipEvents: EventName[] = [
  'organization_membership.created',
  'organization_membership.updated',
  'organization_membership.deleted',
];

async function member(name: string) {
  const { sdk } = environment;
  const organization = await sdk.organizations.createOrganization({ name });
  const user = await sdk.userManagement.createUser({ email: `${name}@example.com` });
  const membership = await sdk.userManagement.createOrganizationMembership({ organizationId: organization.id, userId: user.id });
  return { organization, user, membership };
}

describe('every change has an event', () => {
  test('of a membership, from its creation to its end', async () => {
    const { workos, sdk } = environment;
    const { organization, membership } = await member('changing');
    workos.setRole(membership.id, 'admin');
    workos.deactivate(membership.id);
    workos.deactivate(membership.id);
    workos.reactivate(membership.id);
    workos.deleteMembership(membership.id);
    const { data } = await sdk.events.listEvents({ events: membershipEvents, organizationId: organization.id, order: 'asc' });
    expect(data.map(({ event, data }) => [event, 'status' in data && data.status, 'role' in data && data.role])).toEqual([
      ['organization_membership.created', 'active', { slug: 'member' }],
      ['organization_membership.updated', 'active', { slug: 'admin' }],
      ['organization_membership.updated', 'inactive', { slug: 'admin' }],
      ['organization_membership.updated', 'active', { slug: 'admin' }],
      ['organization_membership.deleted', 'active', { slug: 'admin' }],
    ]);
  });

  test.each([
    ['a user', async (one: Awaited<ReturnType<typeof member>>) => environment.workos.deleteUser(one.user.id), 'user.deleted'],
    [
      'an organization',
      (one: Awaited<ReturnType<typeof member>>) => environment.sdk.organizations.deleteOrganization(one.organization.id),
      'organization.deleted',
    ],
  ] as const)('of the memberships that go with %s', async (name, remove, last) => {
    const one = await member(name.replace(' ', '-'));
    const before = environment.workos.events().length;
    await remove(one);
    const told = environment.workos.events().slice(before);
    expect(told.map(({ event }) => event)).toEqual(['organization_membership.deleted', last]);
    expect(told[0]?.data).toMatchObject({ id: one.membership.id });
  });
});

describe('the list', () => {
  test('is read on from a cursor, page by page, without skipping or repeating', async () => {
    const { events } = environment.sdk;
    const cursor = environment.workos.events().at(-1)?.id ?? '';
    for (let i = 0; i < 5; i++) environment.workos.createOrganization({ name: `paged ${i}` });
    const read: string[] = [];
    let after: string | undefined = cursor;
    for (let pages = 0; after !== undefined; pages++) {
      expect(pages).toBeLessThan(5);
      const page = await events.listEvents({ events: ['organization.created'], after, limit: 2, order: 'asc' });
      read.push(...page.data.map(({ data }) => ('name' in data ? String(data.name) : '')));
      after = page.listMetadata.after ?? undefined;
    }
    expect(read).toEqual(['paged 0', 'paged 1', 'paged 2', 'paged 3', 'paged 4']);
  });

  test('is newest first unless it is asked for otherwise', async () => {
    environment.workos.createOrganization({ name: 'earlier' });
    environment.workos.createOrganization({ name: 'later' });
    const { data } = await environment.sdk.events.listEvents({ events: ['organization.created'], limit: 2 });
    expect(data.map(({ data }) => 'name' in data && data.name)).toEqual(['later', 'earlier']);
  });

  test('is cut by time', async () => {
    const { events } = environment.sdk;
    const [newest] = environment.workos.events().slice(-1);
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    const newestFrom = async (range: { rangeStart: string }) =>
      (await events.listEvents({ events: ['organization.created'], limit: 1, ...range })).data[0]?.id;
    expect(await newestFrom({ rangeStart: hourAgo })).toBe(newest?.id);
    expect(await newestFrom({ rangeStart: inAnHour })).toBeUndefined();
    await expect(newestFrom({ rangeStart: 'yesterday' })).rejects.toMatchObject({ status: 400 });
  });

  test('survives a restart, but for what is older than 30 days or was not written to its end', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'workos-'));
    try {
      const first = await startEnvironment({ dir });
      first.workos.createOrganization({ name: 'Old' });
      first.workos.createOrganization({ name: 'Lasting' });
      const [old, lasting] = first.workos.events({ events: ['organization.created'] });
      await first[Symbol.asyncDispose]();
      const file = join(dir, 'events.jsonl');
      const monthAgo = new Date(Date.now() - 31 * 86_400_000).toISOString();
      const lines = [{ event: { ...old, created_at: monthAgo } }, { event: lasting }].map((line) => JSON.stringify(line));
      await writeFile(file, `${lines.join('\n')}\n${lines[1]?.slice(0, 20)}`);
      const second = await startEnvironment({ dir });
      expect(second.workos.events()).toEqual([lasting]);
      second.workos.createOrganization({ name: 'Later' });
      const later = second.workos.events();
      await second[Symbol.asyncDispose]();
      await using third = await startEnvironment({ dir });
      expect(third.workos.events()).toEqual(later);
      expect(later).toHaveLength(2);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
