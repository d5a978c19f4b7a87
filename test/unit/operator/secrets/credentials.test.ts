import { describe, expect, test } from 'vitest';
import { type ApiKeyRecord, generateApiKey, recordOf } from '../../../../crds/api-keys.ts';
import { forgotten, promoted, recordsOf, wantedCredentials } from '../../../../operator/secrets/credentials.ts';
import { annotate, type Rotation, rotationOf } from '../../../../operator/secrets/rotation.ts';
import type { StoredSecret } from '../../../../operator/secrets/stored-secret.ts';
import { tenant } from '../../gen.ts';

const now = new Date('2026-06-01T00:00:00Z');
const owner = tenant({ secrets: { overlap: '24h' } });
const [apiKey, probeKey, nextApiKey, nextProbeKey] = [generateApiKey(), generateApiKey(), generateApiKey(), generateApiKey()];
const present = { apiKey, probeKey };
const next = { 'apiKey.next': nextApiKey, 'probeKey.next': nextProbeKey };
const current = { id: 'r1', began: '2026-05-31T00:00:00Z' };

const stored = (values: Record<string, string>, rotation: Rotation = {}): StoredSecret => ({
  name: 'tenantry-credentials',
  resourceVersion: '1',
  values,
  annotations: annotate(rotation) as Record<string, string>,
});

const replaced = (since: string, key = generateApiKey()): { record: ApiKeyRecord; since: string } => ({
  record: recordOf(key, 'default', ['mcp', 'api']),
  since,
});

describe('the wanted keys', () => {
  test('of a new tenant are generated, and stay', () => {
    const { values, annotations } = wantedCredentials(undefined, owner, now);
    expect(Object.keys(values)).toEqual(['apiKey', 'probeKey']);
    expect(annotations).toBeUndefined();
    expect(wantedCredentials(stored(values as Record<string, string>), owner, now)).toEqual({ values });
  });

  test('of a rotation that is due are generated beside the present ones', () => {
    const due = tenant({ secrets: { overlap: '24h' } }, { server: { name: 's', version: '1', protocolVersions: [], tools: 1 } });
    const asked = { ...due, metadata: { ...due.metadata, annotations: { 'tenantry.dev/rotate': 'now' } } };
    const { values, annotations } = wantedCredentials(stored(present, { id: 'r0' }), asked, now);
    expect(values).toMatchObject(present);
    expect(Object.keys(values)).toEqual(['apiKey', 'probeKey', 'apiKey.next', 'probeKey.next']);
    const begun = rotationOf({ ...stored(present), annotations: annotations as Record<string, string> });
    expect(begun).toEqual({
      id: 'r0',
      current: { id: expect.stringMatching(/^[0-9a-f]{8}$/), began: '2026-06-01T00:00:00Z', request: 'now' },
    });
  });

  test('of a rotation under way stay as they are', () => {
    expect(wantedCredentials(stored({ ...present, ...next }, { current }), owner, now)).toEqual({ values: { ...present, ...next } });
  });
});

describe('the records for pods', () => {
  test('are those of the present, the next and the replaced keys, with their scopes', () => {
    const old = replaced('2026-05-31T12:00:00Z');
    expect(recordsOf(stored({ ...present, ...next }, { retired: [old] }), owner)).toEqual([
      recordOf(apiKey, 'default', ['mcp', 'api']),
      recordOf(probeKey, 'operator', ['probe']),
      recordOf(nextApiKey, 'default', ['mcp', 'api']),
      recordOf(nextProbeKey, 'operator', ['probe']),
      { ...old.record, expiresAt: '2026-06-01T12:00:00Z' },
    ]);
  });

  test('are none of keys that are missing', () => {
    expect(recordsOf(stored({}), owner)).toEqual([]);
    expect(recordsOf(stored({ apiKey }), owner)).toHaveLength(1);
  });
});

describe('the next keys', () => {
  const complete = stored({ ...present, ...next }, { current: { ...current, request: 'now' }, request: 'before', id: 'r0' });

  test('replace the present ones, which are remembered', () => {
    const contents = promoted(complete, owner, now);
    expect(contents?.values).toEqual({ apiKey: nextApiKey, probeKey: nextProbeKey, 'apiKey.next': null, 'probeKey.next': null });
    expect(rotationOf({ ...complete, annotations: contents?.annotations as Record<string, string> })).toEqual({
      id: 'r1',
      last: '2026-06-01T00:00:00Z',
      request: 'now',
      retired: [
        { record: recordOf(apiKey, 'default', ['mcp', 'api']), since: '2026-06-01T00:00:00Z' },
        { record: recordOf(probeKey, 'operator', ['probe']), since: '2026-06-01T00:00:00Z' },
      ],
    });
  });

  test.each<[string, StoredSecret]>([
    ['without a rotation', stored({ ...present, ...next })],
    ['without a next API key', stored({ ...present, 'probeKey.next': nextProbeKey }, { current })],
    ['without a next probe key', stored({ ...present, 'apiKey.next': nextApiKey }, { current })],
  ])('replace nothing %s', (_name, secret) => {
    expect(promoted(secret, owner, now)).toBeUndefined();
  });

  test('of a scheduled rotation keep the last request', () => {
    const requestAfter = (rotation: Rotation): unknown =>
      rotationOf({
        ...complete,
        annotations: promoted(stored({ ...present, ...next }, rotation), owner, now)?.annotations as Record<string, string>,
      });
    expect(requestAfter({ current, request: 'before' })).toMatchObject({ request: 'before' });
    expect(requestAfter({ current })).not.toHaveProperty('request');
  });

  test('leave the newest forty replaced keys remembered, and none that has expired', () => {
    const many = Array.from({ length: 45 }, () => replaced('2026-05-31T12:00:00Z'));
    const expired = [replaced('2026-05-31T00:00:00Z'), replaced('2026-05-30T00:00:00Z')];
    const contents = promoted(stored({ ...present, ...next }, { current, retired: [...expired, ...many] }), owner, now);
    const { retired = [] } = rotationOf({ ...complete, annotations: contents?.annotations as Record<string, string> });
    expect(retired).toHaveLength(40);
    expect(retired.slice(0, 38)).toEqual(many.slice(-38));
    const few = promoted(stored({ ...present, ...next }, { current, retired: expired }), owner, now);
    expect(rotationOf({ ...complete, annotations: few?.annotations as Record<string, string> }).retired).toHaveLength(2);
  });
});

describe('replaced keys', () => {
  const valid = replaced('2026-05-31T00:00:01Z');
  const expired = replaced('2026-05-31T00:00:00Z');
  const retiredAfter = (retired: Rotation['retired'] & object) => {
    const { values, annotations } = forgotten(stored(present, { id: 'r1', retired }), owner, now);
    expect(values).toEqual({});
    return annotations && rotationOf({ ...stored(present), annotations: annotations as Record<string, string> });
  };

  test('are forgotten when the overlap has ended', () => {
    expect(retiredAfter([expired, valid])).toEqual({ id: 'r1', retired: [valid] });
    expect(retiredAfter([expired])).toEqual({ id: 'r1' });
    expect(retiredAfter([valid])).toBeUndefined();
    expect(retiredAfter([])).toBeUndefined();
  });
});
