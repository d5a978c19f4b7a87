import { createHash } from 'node:crypto';
import type { ApiKeyRecord } from '../../crds/api-keys.ts';
import { rfc3339 } from '../../crds/conditions.ts';
import { annotations } from '../../crds/names.ts';
import { millisecondsOf, type Tenant, type TenantStatus } from '../../crds/tenant.ts';
import type { StoredSecret, Values } from './stored-secret.ts';

/**
 * State of a rotation. A rotation proceeds in single writes, and the operator may end after any of them:
 * 1. begun: the Secret of credentials names the rotation and holds the next keys. The pods' file lists them beside the present keys.
 * 2. switched: the Secrets of generated values and of the database hold new values. The database server has accepted the new login.
 * 3. rolled out: every pod was made with the new values, and has read the file of keys with the next keys.
 * 4. finished: the next keys replace the present keys. The old keys expire after the overlap.
 * 5. retired: after the overlap the old values are removed and the old login is locked.
 */
export interface Rotation {
  /** Id of the last finished rotation. */
  readonly id?: string;
  /** Time when the last rotation was finished. */
  readonly last?: string;
  /** The last request that was carried out. */
  readonly request?: string;
  readonly current?: { readonly id: string; readonly began: string; readonly request?: string };
  /** Replaced keys, each with the time of its replacement. */
  readonly retired?: readonly { readonly record: ApiKeyRecord; readonly since: string }[];
}

/** Mark of a rotation in a Secret that takes part in it. */
export interface Mark {
  /** Rotation that made the values. */
  readonly id?: string;
  /** Values of the rotation before that are still valid: keys of a Secret, or a login role. */
  readonly previous?: readonly string[];
}

const rotationAnnotation = 'tenantry.dev/rotation';

export function rotationOf(secret: StoredSecret | undefined): Rotation {
  return read<Rotation>(secret?.annotations);
}

export function markOf(secret: StoredSecret | undefined): Mark {
  return read<Mark>(secret?.annotations);
}

export function annotate(state: Rotation | Mark): Values {
  return { [rotationAnnotation]: JSON.stringify(state) };
}

function read<T extends object>(found: Values | undefined): Partial<T> {
  try {
    const state: unknown = JSON.parse(found?.[rotationAnnotation] ?? '{}');
    return state !== null && typeof state === 'object' ? state : {};
  } catch {
    // The annotation was overwritten with text that is not JSON. The present values then count as current.
    return {};
  }
}

/** A lost Secret takes its history with it. The status still has the last rotation and the last request. */
function historyOf(tenant: Tenant, rotation: Rotation): { last: string | undefined; request: string | undefined } {
  const told = tenant.status?.secrets;
  return { last: rotation.last ?? told?.lastRotation, request: rotation.request ?? told?.rotationRequest };
}

/** The rotation that should begin now; undefined if none is due. It names the request for it, or no request if the period has ended. */
export function dueRotation(tenant: Tenant, rotation: Rotation, now: Date): { readonly request?: string } | undefined {
  // The secrets of a tenant that has never served are new and need no rotation.
  if (rotation.current || tenant.status?.server === undefined) return undefined;
  const request = tenant.metadata.annotations?.[annotations.rotate]?.slice(0, 64);
  if (request && request !== historyOf(tenant, rotation).request) return { request };
  const next = nextRotation(tenant, rotation);
  return next !== undefined && next <= now.getTime() ? {} : undefined;
}

/** Share of the period over which rotations are spread, so that tenants created together do not all roll out at the same moment. */
const spread = 0.05;

/**
 * Time of the next scheduled rotation, in milliseconds since the epoch: the end of the period or a little before. Undefined if the period
 * is zero.
 */
export function nextRotation(tenant: Tenant, rotation: Rotation): number | undefined {
  const period = millisecondsOf(tenant.spec.secrets?.rotationPeriod ?? '2160h');
  const since = historyOf(tenant, rotation).last ?? tenant.metadata.creationTimestamp;
  if (period === 0 || since === undefined) return undefined;
  const digest = createHash('sha256').update(`${tenant.metadata.uid}/${since}`).digest();
  return Date.parse(since) + Math.round(period * (1 - spread * (digest.readUInt32BE() / 2 ** 32)));
}

export function overlapOf(tenant: Tenant): number {
  return millisecondsOf(tenant.spec.secrets?.overlap ?? '24h');
}

/** Part of the status about rotation. */
export function rotationStatus(tenant: Tenant, rotation: Rotation): TenantStatus['secrets'] {
  const { last, request } = historyOf(tenant, rotation);
  const next = nextRotation(tenant, rotation);
  return {
    ...(last === undefined ? {} : { lastRotation: last }),
    ...(next === undefined ? {} : { nextRotation: rfc3339(new Date(next)) }),
    ...(request === undefined ? {} : { rotationRequest: request }),
  };
}
