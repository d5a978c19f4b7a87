import type { ColumnType, Generated } from 'kysely';
import type { RecordKind } from '../../../audit/record.ts';

/** The driver gives 64-bit integers as text. */
type BigInteger = ColumnType<string, number, number>;
type BigIntegerOrNull = ColumnType<string | null, number | null, number | null>;
/** JSON text as it was written. */
type JsonText = ColumnType<unknown, string, string>;

export interface AuditTables {
  /** One row for each chain. Appending to the chain locks it. */
  audit_chains: {
    chain: string;
    tenant_name: string | null;
    /** Organization of the tenant. Its administrators may read the chain, also after the tenant's deletion. */
    organization_id: string | null;
    /** Time of the last record or of the closing of the last month. */
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
    /** Order of insertion, for paging. */
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
