import { createHash } from 'node:crypto';
import { canonicalJson } from './json.ts';
import type { AuditRecord } from './record.ts';

/** Chain of what concerns no tenant. All others are named by the UID of their tenant. */
export const platformChain = 'platform';

/** What comes before the first record of a chain. */
export const genesis = '0'.repeat(64);

/** A record with its place in a chain. A chain has one part a month, whose first record follows the last of the part before. */
export interface ChainedRecord {
  readonly chain: string;
  /** `YYYY-MM`, of when the record was received. */
  readonly month: string;
  /** From 1, without gaps, in each month. */
  readonly sequence: number;
  /** Hash of the record before, in hexadecimal. */
  readonly previous: string;
  readonly hash: string;
  readonly record: AuditRecord;
}

/**
 * SHA-256, in hexadecimal, of the UTF-8 of the canonical JSON (RFC 8785) of `{chain, month, previous, record, sequence}`: of
 * everything an export has in a line of type `record` but `hash` itself and `type`.
 */
export function hashOf({ chain, month, previous, record, sequence }: Omit<ChainedRecord, 'hash'>): string {
  return createHash('sha256').update(canonicalJson({ chain, month, previous, record, sequence })).digest('hex');
}
