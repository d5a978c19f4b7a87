import { z } from 'zod';
import type { ChainedRecord } from '../../audit/chain.ts';
import { recordKinds } from '../../audit/record.ts';
import { faultKinds } from '../../audit/verification.ts';

const chain = z.string().describe('UID of the tenant, or `platform`.');
const month = z.string().describe('`YYYY-MM`, of when records were received.').meta({ pattern: '^\\d{4}-\\d{2}$' });
const sequence = z.int().describe('From 1, without gaps, in each month of a chain.');
const hash = z.string().describe('SHA-256, hexadecimal.');
const time = z.string().meta({ format: 'date-time' });

export const auditRecord = z
  .object({
    id: z.string(),
    kind: z.enum(recordKinds),
    time: time.describe('When it happened, by the clock of whoever reported it.'),
    received: time.describe('When it was taken, by the clock of the database.'),
    actor: z.string().describe('`user_…`, `client_…`, `key:<id>`, or the part of Tenantry that did it.'),
    organizationId: z.string().optional(),
    impersonator: z.string().optional().describe('Who was signed in as the actor.'),
    action: z.string(),
    outcome: z
      .string()
      .describe('`intended` before anything is changed; then `ok`, or what went wrong. An intent without an outcome was interrupted.'),
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
  .object({ items: z.array(auditRecord), nextCursor: z.string().optional().describe('Left out on the last page.') })
  .meta({ id: 'AuditPage' });

const signedHead = z
  .object({
    chain,
    month,
    sequence: sequence.describe('Of the last record when it was signed.'),
    hash: hash.describe('Of that record; it stands for all records before it.'),
    final: z.boolean().describe('Whether the month was over.'),
    signedAt: time,
    keyId: z.string().describe('RFC 7638 thumbprint of the key.'),
    signature: z.string().describe('Ed25519 over the canonical JSON (RFC 8785) of the members above and `type`: `tenantry-audit-head/v1`.'),
    tenant: z.string().optional().describe('Name of the tenant, for whoever verifies the export of one tenant. Not signed.'),
    organizationId: z.string().optional().describe('Organization of the tenant. Not signed.'),
  })
  .meta({ id: 'AuditSignedHead' });

export const headPage = z
  .object({ items: z.array(signedHead), nextCursor: z.string().optional().describe('Left out on the last page.') })
  .meta({ id: 'AuditHeadPage' });

export const auditVerification = z
  .object({
    verdict: z
      .enum(['intact', 'broken', 'nothing-checked'])
      .describe('`nothing-checked` where there is no month in the range: that says nothing of whether there should be one.'),
    ok: z.boolean().describe('Whether the verdict is `intact`.'),
    records: z.int().describe('Records that were recomputed.'),
    firstBroken: z
      .object({ chain, month, sequence, recordId: z.string().optional() })
      .optional()
      .describe('The first record that is not as it was recorded.'),
    months: z.array(
      z.object({
        tenant: z.string().optional().describe('Name of the tenant; left out for the platform.'),
        chain,
        month,
        state: z.enum(['intact', 'removed', 'broken']).describe('`removed`: by retention, as a signed statement and the signed head say.'),
        records: z.int(),
        signedThrough: z.int().describe('Sequence up to which a signed head vouches.'),
        closed: z.boolean().describe('Whether a signed head says that nothing follows.'),
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
