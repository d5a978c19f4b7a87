import { randomBytes } from 'node:crypto';
import type { Json } from './json.ts';

/** A tenant in a record. A name can be used again after a deletion, a UID cannot. */
export interface RecordedTenant {
  readonly name: string;
  readonly uid: string;
}

/** A tool call, as the sidecar spools it. The control plane adds the tenant from the pod's token. */
export interface ToolCallRecord {
  /** UUID of version 7. A record that is sent again has the same id. */
  readonly id: string;
  /** End of the call by the clock of the node: RFC 3339 in UTC with milliseconds. */
  readonly time: string;
  readonly requestId: string;
  /** `user_…`, `client_…` or `key:<id>`. */
  readonly subject: string;
  readonly organizationId?: string;
  readonly tool: string;
  /** Arguments without secrets and free text. */
  readonly arguments: Json;
  readonly durationMs: number;
  /** `ok`, or a word for the failure. */
  readonly outcome: string;
}

/** A rotation of secrets by the operator: names, never values. */
export interface RotationRecord {
  readonly kind: 'rotation';
  readonly id: string;
  readonly time: string;
  readonly tenant: RecordedTenant;
  /** Names of the Secrets, or of keys in them, such as `tenantry-api-keys/default`. */
  readonly secrets: readonly string[];
  /** The reason: `schedule`, `request`, `lost`, `expired-overlap`. */
  readonly cause: string;
  readonly outcome: string;
}

/** A read of secrets by Tenantry. Reads with kubectl are in the cluster's audit log. */
export interface SecretReadRecord {
  readonly kind: 'secret-read';
  readonly id: string;
  readonly time: string;
  readonly tenant: RecordedTenant;
  readonly secrets: readonly string[];
  /** The purpose of the read, such as `sweep` or `database`. */
  readonly purpose: string;
  readonly outcome: string;
}

export type OperatorRecord = RotationRecord | SecretReadRecord;

export const recordKinds = ['admin', 'tool-call', 'rotation', 'secret-read', 'retention', 'chain'] as const;
export type RecordKind = (typeof recordKinds)[number];

/** A record of any kind, as it is stored, chained, listed and exported. */
export interface AuditRecord {
  readonly id: string;
  readonly kind: RecordKind;
  /** Time of the action by the clock of the reporting process. */
  readonly time: string;
  /** Time of storage by the clock of the database; never earlier than that of the record before. */
  readonly received: string;
  /** `user_…`, `client_…`, `key:<id>`, or the ServiceAccount `<namespace>/<name>` of a part of Tenantry. */
  readonly actor: string;
  readonly organizationId?: string;
  /** The person who was signed in as the actor: `act` of the token. */
  readonly impersonator?: string;
  readonly action: string;
  readonly outcome: string;
  /** Has no UID when the tenant did not exist yet. */
  readonly tenant?: { readonly name: string; readonly uid?: string };
  readonly requestId?: string;
  readonly details: Json;
}

/**
 * A new id of a record: UUID version 7 (RFC 9562), so that ids sort by time.
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
