import type { ColumnType, Generated } from 'kysely';
import type { RecordKind } from '../../audit/record.ts';

/** The driver gives 64-bit integers as text. */
type BigInteger = ColumnType<string, number, number>;
type BigIntegerOrNull = ColumnType<string | null, number | null, number | null>;
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
  /** One row for each month of each chain. */
  audit_heads: {
    chain: string;
    month: string;
    /** The last record, as the ledger wrote it. */
    sequence: BigInteger;
    hash: string;
    /** The newest signed head; null until the first signing. Its signature covers `final`: nothing follows in the month. */
    signed_sequence: BigIntegerOrNull;
    signed_hash: string | null;
    final: boolean | null;
    signed_at: Date | null;
    key_id: string | null;
    signature: string | null;
    /** The signed statement that retention removed the month; null until then. */
    removed_at: Date | null;
    removal_key_id: string | null;
    removal_signature: string | null;
    /** Whether all records of a removed month are deleted. */
    removed: Generated<boolean>;
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
  api_key_usage: {
    tenant_uid: string;
    key_id: string;
    last_used_at: Date;
  };
}
