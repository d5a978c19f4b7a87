import { randomBytes } from 'node:crypto';
import type { Json } from './json.ts';

/** A tenant as a record names it: names are used again after a deletion, UIDs never. */
export interface RecordedTenant {
  readonly name: string;
  readonly uid: string;
}

/** A tool call as the sidecar spools it. Its tenant is not in it: the control plane takes that from the pod's token. */
export interface ToolCallRecord {
  /** UUID of version 7: the same record sent again is the same record. */
  readonly id: string;
  /** When the call ended by the clock of the node, RFC 3339 in UTC with milliseconds. */
  readonly time: string;
  readonly requestId: string;
  /** `user_…`, `client_…` or `key:<id>`. */
  readonly subject: string;
  readonly organizationId?: string;
  readonly tool: string;
  /** Arguments with everything blotted out that the tool's schema marks as secret. */
  readonly arguments: Json;
  readonly durationMs: number;
  /** `ok`, or a word for what went wrong. */
  readonly outcome: string;
}

/** Secrets that the operator replaced. Names, never values. */
export interface RotationRecord {
  readonly kind: 'rotation';
  readonly id: string;
  readonly time: string;
  readonly tenant: RecordedTenant;
  /** Names of the Secrets, or of keys in them, such as `tenantry-api-keys/default`. */
  readonly secrets: readonly string[];
  /** Why: `schedule`, `request`, `lost`, `expired-overlap`. */
  readonly cause: string;
  readonly outcome: string;
}

/** Secrets that Tenantry itself has read; kubectl's reads are in the cluster's own audit log. */
export interface SecretReadRecord {
  readonly kind: 'secret-read';
  readonly id: string;
  readonly time: string;
  readonly tenant: RecordedTenant;
  readonly secrets: readonly string[];
  /** What they were read for, such as `sweep` or `database`. */
  readonly purpose: string;
  readonly outcome: string;
}

export type OperatorRecord = RotationRecord | SecretReadRecord;

export const recordKinds = ['admin', 'tool-call', 'rotation', 'secret-read', 'retention', 'chain'] as const;
export type RecordKind = (typeof recordKinds)[number];

/** The one form in which records of every kind are kept, chained, listed and exported. */
export interface AuditRecord {
  readonly id: string;
  readonly kind: RecordKind;
  /** When it happened, by the clock of whoever reports it. */
  readonly time: string;
  /** When the control plane took it, by the clock of its database; never before that of the record before. */
  readonly received: string;
  /** `user_…`, `client_…`, `key:<id>`, or the ServiceAccount `<namespace>/<name>` of a part of Tenantry. */
  readonly actor: string;
  readonly organizationId?: string;
  /** Who was signed in as the actor, as their token's `act` says. */
  readonly impersonator?: string;
  readonly action: string;
  readonly outcome: string;
  /** Without a UID where a tenant of that name was to be created. */
  readonly tenant?: { readonly name: string; readonly uid?: string };
  readonly requestId?: string;
  readonly details: Json;
}

/**
 * A new record's id: UUID version 7 (RFC 9562), so that ids sort by time.
 * @param now Milliseconds since the epoch.
 * @param random Ten random bytes.
 */
export function newRecordId(now: number = Date.now(), random: Buffer = randomBytes(10)): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(now, 0, 6);
  random.copy(bytes, 6, 0, 10);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
