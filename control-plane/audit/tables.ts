import type { ColumnType, Generated } from 'kysely';
import type { RecordKind } from '../../audit/record.ts';

/** The driver gives 64-bit integers as text. */
type BigInteger = ColumnType<string, number, number>;
/** JSON as it was written, not as the driver would write it. */
type JsonText = ColumnType<unknown, string, string>;

export interface AuditTables {
  /** A row for each chain, locked by whoever appends to it. */
  audit_chains: {
    chain: string;
    tenant_name: string | null;
    /** Organization of the tenant: whose administrators may read the chain, also when the tenant is gone. */
    organization_id: string | null;
    /** When its last record was received, or its last month was closed. */
    received: Date;
  };
  /** The last record of each month of each chain. */
  audit_heads: {
    chain: string;
    month: string;
    sequence: BigInteger;
    hash: string;
    /** Whether the month is over and its head is signed for good. */
    closed: ColumnType<boolean, boolean | undefined, boolean>;
  };
  audit_records: {
    /** Order of insertion, to page by. */
    position: ColumnType<string, never, never>;
    chain: string;
    month: string;
    sequence: BigInteger;
    previous: string;
    hash: string;
    id: string;
    kind: RecordKind;
    time: Date;
    received: Date;
    actor: string;
    impersonator: string | null;
    organization_id: string | null;
    action: string;
    outcome: string;
    tenant_name: string | null;
    tenant_uid: string | null;
    request_id: string | null;
    details: JsonText;
  };
  audit_signed_heads: {
    chain: string;
    month: string;
    sequence: BigInteger;
    hash: string;
    final: boolean;
    signed_at: Date;
    key_id: string;
    signature: string;
  };
  /** Signed statements that a month's records were removed because of their age. */
  audit_removals: {
    chain: string;
    month: string;
    sequence: BigInteger;
    hash: string;
    removed_at: Date;
    key_id: string;
    signature: string;
    /** Whether all its records are gone. */
    done: Generated<boolean>;
  };
  api_key_usage: {
    tenant_uid: string;
    key_id: string;
    last_used_at: Date;
  };
}
