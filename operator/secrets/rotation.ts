import { createHash } from 'node:crypto';
import type { ApiKeyRecord } from '../../crds/api-keys.ts';
import { rfc3339 } from '../../crds/conditions.ts';
import { annotations } from '../../crds/names.ts';
import { millisecondsOf, type Tenant, type TenantStatus } from '../../crds/tenant.ts';
import type { StoredSecret, Values } from './stored-secret.ts';

/**
 * How a rotation goes, in steps of one write each, every one of which may be the last before the operator ends:
 *  1. begun: the Secret of credentials names the rotation and holds the next keys, which the pods' file then lists beside the present ones;
 *  2. switched: Secret of generated values and Secret of the database hold new values, those of the database after its server takes them;
 *  3. rolled out: every pod was made with the new values, and has read the file of keys with the next ones in it;
 *  4. finished: the next keys become the keys, the old ones expire once the overlap is over;
 *  5. retired: after the overlap the old values are removed and the old login is locked.
 */
export interface Rotation {
  /** Of the last one that was finished. */
  readonly id?: string;
  /** When that was. */
  readonly last?: string;
  /** The last request that was carried out. */
  readonly request?: string;
  readonly current?: { readonly id: string; readonly began: string; readonly request?: string };
  /** Keys that were replaced, and when. */
  readonly retired?: readonly { readonly record: ApiKeyRecord; readonly since: string }[];
}

/** What a Secret that takes part in rotations says of itself. */
export interface Mark {
  /** Rotation its values are of. */
  readonly id?: string;
  /** What is still valid of the one before: keys of a Secret, or a login role. */
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
    // Somebody wrote over it: what is not known to be replaced is taken as it is.
    return {};
  }
}

/** A Secret that was lost takes its history with it; the status still has what matters of it. */
function historyOf(tenant: Tenant, rotation: Rotation): { last: string | undefined; request: string | undefined } {
  const told = tenant.status?.secrets;
  return { last: rotation.last ?? told?.lastRotation, request: rotation.request ?? told?.rotationRequest };
}

/** Whether a rotation should begin now. Undefined when not; else with the request that asks for it, if it is not the time that does. */
export function dueRotation(tenant: Tenant, rotation: Rotation, now: Date): { readonly request?: string } | undefined {
  // What has never served is rotated by nobody's wish: it has just been made.
  if (rotation.current || tenant.status?.server === undefined) return undefined;
  const request = tenant.metadata.annotations?.[annotations.rotate]?.slice(0, 64);
  if (request && request !== historyOf(tenant, rotation).request) return { request };
  const next = nextRotation(tenant, rotation);
  return next !== undefined && next <= now.getTime() ? {} : undefined;
}

/** Share of the period by which rotations are spread, so that tenants that were made together are not all rolled at the same moment. */
const spread = 0.05;

/** When the timer asks for a rotation, in milliseconds since the epoch: when the period ends or a little before. Undefined where it is zero. */
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

/** What the status says of rotation. */
export function rotationStatus(tenant: Tenant, rotation: Rotation): TenantStatus['secrets'] {
  const { last, request } = historyOf(tenant, rotation);
  const next = nextRotation(tenant, rotation);
  return {
    ...(last === undefined ? {} : { lastRotation: last }),
    ...(next === undefined ? {} : { nextRotation: rfc3339(new Date(next)) }),
    ...(request === undefined ? {} : { rotationRequest: request }),
  };
}
