import { z } from 'zod';
import type { ChainedRecord } from '../../audit/chain.ts';
import { recordKinds } from '../../audit/record.ts';
import { faultKinds } from '../../audit/verification.ts';

const chain = z.string().describe('UID of the tenant, or `platform`.');
const month = z.string().describe('`YYYY-MM` of `received`.').meta({ pattern: '^\\d{4}-\\d{2}$' });
const sequence = z.int().describe('Number of the record in its month of the chain, from 1 without gaps.');
const hash = z.string().describe('SHA-256, hexadecimal.');
const time = z.string().meta({ format: 'date-time' });

export const auditRecord = z
  .object({
    id: z.string(),
    kind: z.enum(recordKinds),
    time: time.describe('Time of the action by the clock of the reporting process.'),
    received: time.describe('Time of storage by the clock of the database.'),
    actor: z.string().describe('`user_…`, `client_…`, `key:<id>`, or a part of Tenantry.'),
    organizationId: z.string().optional(),
    impersonator: z.string().optional().describe('The person who was signed in as the actor.'),
    action: z.string(),
    outcome: z
      .string()
      .describe('`intended` before the change; then `ok` or a word for the failure. An intent without an outcome was interrupted.'),
    tenant: z.object({ name: z.string(), uid: z.string().optional() }).optional(),
    requestId: z.string().optional(),
    details: z.unknown(),
    chain,
    month,
    sequence,
    hash,
  })
  .meta({ id: 'AuditRecord' });

export function represent({ chain, month, sequence, hash, record }: ChainedRecord): z.infer<typeof auditRecord> {
  const { details, ...rest } = record;
  return { ...rest, kind: rest.kind, details, chain, month, sequence, hash };
}

export const auditPage = z
  .object({ items: z.array(auditRecord), nextCursor: z.string().optional().describe('Absent on the last page.') })
  .meta({ id: 'AuditPage' });

const signedHead = z
  .object({
    chain,
    month,
    sequence: sequence.describe('Sequence of the last record at the time of signing.'),
    hash: hash.describe('Hash of that record. It covers all records before it.'),
    final: z.boolean().describe('Whether the month was over.'),
    signedAt: time,
    keyId: z.string().describe('RFC 7638 thumbprint of the key.'),
    signature: z.string().describe('Ed25519 over the canonical JSON (RFC 8785) of the members above and `type`: `tenantry-audit-head/v1`.'),
    tenant: z.string().optional().describe("Name of the tenant. The verification of a tenant's export needs it. Not signed."),
    organizationId: z.string().optional().describe('Organization of the tenant. Not signed.'),
  })
  .meta({ id: 'AuditSignedHead' });

export const headPage = z
  .object({ items: z.array(signedHead), nextCursor: z.string().optional().describe('Absent on the last page.') })
  .meta({ id: 'AuditHeadPage' });

export const auditVerification = z
  .object({
    verdict: z.enum(['intact', 'broken', 'nothing-checked']).describe('`nothing-checked` when the range has no month.'),
    ok: z.boolean().describe('Whether the verdict is `intact`.'),
    records: z.int().describe('Number of recomputed records.'),
    firstBroken: z.object({ chain, month, sequence, recordId: z.string().optional() }).optional().describe('The first wrong record.'),
    months: z.array(
      z.object({
        tenant: z.string().optional().describe('Name of the tenant; absent for the chain `platform`.'),
        chain,
        month,
        state: z
          .enum(['intact', 'removed', 'broken'])
          .describe('`removed`: retention removed the records, as a signed statement and the signed head say.'),
        records: z.int(),
        signedThrough: z.int().describe('Sequence of the last record that a signed head covers.'),
        closed: z.boolean().describe('Whether the signed head is final, so that no record follows.'),
        fault: z.object({ kind: z.enum(faultKinds), sequence, recordId: z.string().optional(), detail: z.string() }).optional(),
      }),
    ),
  })
  .meta({ id: 'AuditVerification' });

export const publicKeys = z
  .object({
    keys: z.array(
      z.object({
        kty: z.literal('OKP'),
        crv: z.literal('Ed25519'),
        x: z.string(),
        kid: z.string().describe('RFC 7638 thumbprint.'),
        alg: z.literal('EdDSA'),
        use: z.literal('sig'),
      }),
    ),
  })
  .meta({ id: 'AuditKeys' });
