import { describe, expect, test } from 'vitest';
import { databaseNames, otherLogin } from '../../../../crds/names.ts';
import type { DatabaseServer } from '../../../../operator/database/server.ts';
import { loginOf, previousLogins, stagedLogin, switched, wantedLogin, withoutPreviousLogins } from '../../../../operator/secrets/login.ts';
import { annotate, type Mark, markOf, rotationOf, rotationStatus } from '../../../../operator/secrets/rotation.ts';
import type { StoredSecret } from '../../../../operator/secrets/stored-secret.ts';
import { tenant } from '../../gen.ts';

const owner = tenant();
const { login } = databaseNames(owner.metadata.uid ?? '');
const other = otherLogin(login);
const server = {
  urlOf: (_names: unknown, user: string, password: string) => `postgres://${user}:${password}@db`,
} as unknown as DatabaseServer;
const current = { id: 'r1', began: '2026-06-01T00:00:00Z' };
const present = { username: login, password: 'p', url: `postgres://${login}:p@db` };
const next = { 'next.username': other, 'next.password': 'n' };

const stored = (values: Record<string, string>, mark: Mark = {}): StoredSecret => ({
  name: 'tenantry-database',
  resourceVersion: '1',
  values,
  annotations: annotate(mark) as Record<string, string>,
});

describe('the login of a tenant', () => {
  test('is generated once', () => {
    const { values, annotations } = wantedLogin(undefined, owner, server, {});
    expect(values).toEqual({
      username: login,
      password: expect.stringMatching(/^[\w-]{32}$/),
      url: `postgres://${login}:${values['password']}@db`,
    });
    expect(annotations).toEqual({});
    expect(wantedLogin(stored(present), owner, server, {})).toEqual({ values: present, annotations: {} });
  });

  test('that was lost leaves the other role to be locked', () => {
    const serving = tenant({}, { server: { name: 's', version: '1', protocolVersions: [], tools: 1 } });
    const { annotations } = wantedLogin(undefined, serving, server, {});
    expect(markOf({ ...stored({}), annotations: annotations as Record<string, string> })).toEqual({ previous: [other] });
    expect(wantedLogin(stored(present), serving, server, {}).annotations).toEqual({});
  });

  test('is one of the two roles, whatever the Secret says', () => {
    expect(loginOf(undefined, owner)).toBeUndefined();
    expect(loginOf(stored({ username: login }), owner)).toBeUndefined();
    expect(loginOf(stored({ username: other, password: 'p' }), owner)).toEqual({ username: other, password: 'p' });
    expect(loginOf(stored({ username: 'postgres', password: 'p' }), owner)).toEqual({ username: login, password: 'p' });
    expect(loginOf(stored({ password: 'p' }), owner)).toEqual({ username: login, password: 'p' });
  });
});

describe('the next login', () => {
  test('is staged during a rotation, once', () => {
    const { values } = wantedLogin(stored(present), owner, server, { current });
    expect(values).toEqual({ ...present, 'next.username': other, 'next.password': expect.stringMatching(/^[\w-]{32}$/) });
    expect(wantedLogin(stored({ ...present, ...next }), owner, server, { current }).values).toEqual({ ...present, ...next });
    expect(wantedLogin(stored(present, { id: 'r1' }), owner, server, { current }).values).toEqual(present);
    expect(wantedLogin(undefined, owner, server, { current }).values).not.toHaveProperty('next.username');
  });

  test.each<[string, StoredSecret | undefined]>([
    ['without a Secret', undefined],
    ['without a password', stored({ ...present, 'next.username': other })],
    ['without a present login', stored({ ...next })],
    ['of the role that pods use', stored({ ...present, 'next.username': login, 'next.password': 'n' })],
  ])('is none %s', (_name, secret) => {
    expect(stagedLogin(secret, owner)).toBeUndefined();
  });

  test('is given to the pods with the present one as the previous', () => {
    const secret = stored({ ...present, ...next });
    expect(stagedLogin(secret, owner)).toEqual({ username: other, password: 'n' });
    const contents = switched(secret, owner, server, { current });
    expect(contents?.values).toEqual({
      url: `postgres://${other}:n@db`,
      username: other,
      password: 'n',
      'next.username': null,
      'next.password': null,
    });
    expect(markOf({ ...secret, annotations: contents?.annotations as Record<string, string> })).toEqual({ id: 'r1', previous: [login] });
    expect(switched(secret, owner, server, {})).toBeUndefined();
    expect(switched(stored(present), owner, server, { current })).toBeUndefined();
    expect(switched(stored(next), owner, server, { current })).toBeUndefined();
  });
});

describe('previous logins', () => {
  test('are the role that pods do not use, if it is marked', () => {
    expect(previousLogins(stored(present, { previous: [other] }), owner)).toEqual([other]);
    expect(previousLogins(stored(present, { previous: [login, 'postgres'] }), owner)).toEqual([]);
    expect(previousLogins(stored(present), owner)).toEqual([]);
    expect(previousLogins(undefined, owner)).toEqual([]);
    expect(previousLogins(stored({}, { previous: [other] }), owner)).toEqual([other]);
  });

  test('are unmarked once they are locked', () => {
    const { values, annotations } = withoutPreviousLogins(stored(present, { id: 'r1', previous: [other] }));
    expect(values).toEqual({});
    expect(markOf({ ...stored({}), annotations: annotations as Record<string, string> })).toEqual({ id: 'r1' });
  });
});

describe('the state of a rotation', () => {
  test.each(['null', '7', '"text"', '{', 'true', undefined])('is empty with the annotation %s', (text) => {
    const annotations: Record<string, string> = text === undefined ? {} : { 'tenantry.dev/rotation': text };
    expect(rotationOf({ ...stored({}), annotations })).toEqual({});
    expect(markOf(undefined)).toEqual({});
  });

  test('is shown with the times of the last and the next rotation', () => {
    const never = tenant({ secrets: { rotationPeriod: '0s' } });
    expect(rotationStatus(never, {})).toStrictEqual({});
    expect(rotationStatus(never, { last: '2026-01-01T00:00:00Z', request: 'now' })).toStrictEqual({
      lastRotation: '2026-01-01T00:00:00Z',
      rotationRequest: 'now',
    });
    const monthly = tenant({ secrets: { rotationPeriod: '720h' } });
    const { nextRotation = '' } = rotationStatus(monthly, { last: '2026-01-01T00:00:00Z' }) ?? {};
    expect(nextRotation >= '2026-01-29T12:00:00Z' && nextRotation <= '2026-01-31T00:00:00Z').toBe(true);
  });
});
