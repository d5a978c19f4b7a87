import { createHash } from 'node:crypto';
import { canonicalJson } from './json.ts';
import type { AuditRecord } from './record.ts';

/** Chain of records that concern no tenant. All other chains are named by the UID of their tenant. */
export const platformChain = 'platform';

/** Hash in place of a record before the first one of a chain. */
export const genesis = '0'.repeat(64);

/** A record with its place in a chain. A chain has a part for each month; the first record of a part follows the last of the part before. */
export interface ChainedRecord {
  readonly chain: string;
  /** `YYYY-MM` of `record.received`. */
  readonly month: string;
  /** From 1, without gaps, in each month. */
  readonly sequence: number;
  /** Hash of the record before, in hexadecimal. */
  readonly previous: string;
  readonly hash: string;
  readonly record: AuditRecord;
}

/**
 * SHA-256, in hexadecimal, of the UTF-8 of the canonical JSON (RFC 8785) of `{chain, month, previous, record, sequence}`. A line of type
 * `record` in an export has these members besides `hash` and `type`.
 */
export function hashOf({ chain, month, previous, record, sequence }: Omit<ChainedRecord, 'hash'>): string {
  return createHash('sha256').update(canonicalJson({ chain, month, previous, record, sequence })).digest('hex');
}
