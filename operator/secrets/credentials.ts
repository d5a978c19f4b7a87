import { randomBytes } from 'node:crypto';
import { type ApiKeyRecord, generateApiKey, recordOf } from '../../crds/api-keys.ts';
import { rfc3339 } from '../../crds/conditions.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { annotate, dueRotation, overlapOf, type Rotation, rotationOf } from './rotation.ts';
import type { SecretContents, StoredSecret } from './stored-secret.ts';

/** Keys of the Secret that holds the API keys in clear text, for the next keys of a rotation. */
const next = { apiKey: 'apiKey.next', probeKey: 'probeKey.next' } as const;

/**
 * Most replaced keys that are remembered: those of the last twenty rotations. Rotations may be requested one after the other, and an
 * annotation has room for many times as many keys.
 */
const keptRetired = 40;

/** The keys that every tenant has, and a rotation that is under way or due. Pure except for the randomness of new keys. */
export function wantedCredentials(found: StoredSecret | undefined, tenant: Tenant, now: Date): SecretContents {
  const values = found?.values ?? {};
  const rotation = rotationOf(found);
  const due = found && dueRotation(tenant, rotation, now);
  const current = due ? { id: randomBytes(4).toString('hex'), began: rfc3339(now), ...due } : rotation.current;
  return {
    values: {
      apiKey: values['apiKey'] ?? generateApiKey(),
      probeKey: values['probeKey'] ?? generateApiKey(),
      ...(current
        ? {
            [next.apiKey]: values[next.apiKey] ?? generateApiKey(),
            [next.probeKey]: values[next.probeKey] ?? generateApiKey(),
          }
        : {}),
    },
    ...(due && current ? { annotations: annotate({ ...rotation, current }) } : {}),
  };
}

/** Records of these keys for the pods: the present keys, the next keys, and replaced keys that are still valid. */
export function recordsOf(secret: StoredSecret, tenant: Tenant): ApiKeyRecord[] {
  const { values } = secret;
  const { retired = [] } = rotationOf(secret);
  return [
    ...pair(values['apiKey'], values['probeKey']),
    ...pair(values[next.apiKey], values[next.probeKey]),
    ...retired.map(({ record, since }) => ({ ...record, expiresAt: rfc3339(endOf(since, tenant)) })),
  ];
}

/** Contents of the Secret after the next keys have replaced the present ones; undefined without next keys. */
export function promoted(secret: StoredSecret, tenant: Tenant, now: Date): SecretContents | undefined {
  const { current, request, retired = [], ...rest } = rotationOf(secret);
  const { values } = secret;
  if (!current || values[next.apiKey] === undefined || values[next.probeKey] === undefined) return undefined;
  const since = rfc3339(now);
  const done = current.request ?? request;
  const rotation: Rotation = {
    ...rest,
    id: current.id,
    last: since,
    ...(done === undefined ? {} : { request: done }),
    retired: [...unexpired(retired, tenant, now), ...pair(values['apiKey'], values['probeKey']).map((record) => ({ record, since }))].slice(
      -keptRetired,
    ),
  };
  return {
    values: {
      apiKey: values[next.apiKey] ?? null,
      probeKey: values[next.probeKey] ?? null,
      [next.apiKey]: null,
      [next.probeKey]: null,
    },
    annotations: annotate(rotation),
  };
}

/** Removes the expired keys. */
export function forgotten(secret: StoredSecret, tenant: Tenant, now: Date): SecretContents {
  const { retired = [], ...rest } = rotationOf(secret);
  const left = unexpired(retired, tenant, now);
  if (left.length === retired.length) return { values: {} };
  return { values: {}, annotations: annotate({ ...rest, ...(left.length > 0 ? { retired: left } : {}) }) };
}

type Retired = NonNullable<Rotation['retired']>;

function unexpired(retired: Retired, tenant: Tenant, now: Date): Retired {
  return retired.filter(({ since }) => endOf(since, tenant) > now);
}

const endOf = (since: string, tenant: Tenant): Date => new Date(Date.parse(since) + overlapOf(tenant));

function pair(apiKey: string | undefined, probeKey: string | undefined): ApiKeyRecord[] {
  return [
    ...(apiKey === undefined ? [] : [recordOf(apiKey, 'default', ['mcp', 'api'])]),
    ...(probeKey === undefined ? [] : [recordOf(probeKey, 'operator', ['probe'])]),
  ];
}
