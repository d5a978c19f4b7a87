import { z } from 'zod';
import type { Json } from '../../audit/json.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { validate } from '../http/validation.ts';
import type { NewRecord } from './ledger.ts';
import { redact } from './redaction.ts';

export const toolCallAction = 'tools.call';

/** Text that PostgreSQL can store: no control characters and no lone surrogates. */
const text = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must have no control characters');
/** A time that PostgreSQL can store and readers can parse. A time outside this range is a fault of the sender. */
const time = z.iso
  .datetime({ error: 'must be a time of RFC 3339 in UTC, such as 2026-11-21T14:00:00.000Z' })
  .refine((given) => given >= '1970' && given < '2200', 'must be a time from 1970 to 2199');
const common = { id: z.guid().describe('UUID. A record that is sent twice is stored once.'), time: time.describe('Time of the action.') };

export const toolCallRecord = z
  .object({
    ...common,
    requestId: text,
    subject: text.describe('`user_…`, `client_…` or `key:<id>`.'),
    organizationId: text.optional(),
    tool: text,
    arguments: z.unknown().describe('Without secrets.'),
    durationMs: z.number().min(0).max(86_400_000),
    outcome: text,
  })
  .meta({ id: 'ToolCallRecord' });

const secretNames = z.array(text).max(200).describe('Names, never values.');
const tenant = z.object({ name: text, uid: z.guid() });
export const operatorRecord = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('rotation'), ...common, tenant, secrets: secretNames, cause: text, outcome: text }),
    z.object({ kind: z.literal('secret-read'), ...common, tenant, secrets: secretNames, purpose: text, outcome: text }),
  ])
  .meta({ id: 'OperatorRecord' });

export const keyUse = z.object({ id: text.describe('Id of the key.'), lastUsedAt: time }).meta({ id: 'KeyUse' });

export const refusedRecord = z
  .object({
    id: z.string().describe('Id of the record; empty when it has no valid id.'),
    message: z.string().describe('The fault of the record.'),
  })
  .meta({ id: 'RefusedRecord' });

export interface Accepted {
  readonly records: readonly NewRecord[];
  readonly refused: readonly z.infer<typeof refusedRecord>[];
}

/** Converts records of tool calls for the ledger. A malformed record is refused alone and does not block the others. */
export function acceptToolCalls(given: readonly unknown[], { metadata, spec }: Tenant): Accepted {
  const { name, uid = '' } = metadata;
  return accept(given, toolCallRecord, (record) => ({
    id: record.id,
    kind: 'tool-call',
    time: record.time,
    actor: record.subject,
    ...(record.organizationId === undefined ? {} : { organizationId: record.organizationId }),
    action: toolCallAction,
    outcome: record.outcome,
    tenant: { name, uid },
    tenantOrganizationId: spec.organizationId,
    requestId: record.requestId,
    details: { tool: record.tool, arguments: redact(record.arguments), durationMs: record.durationMs },
  }));
}

/** Converts records of the operator for the ledger. `organizationOf` returns the organization of an existing tenant. */
export function acceptOperatorRecords(
  given: readonly unknown[],
  actor: string,
  organizationOf: (tenant: { readonly name: string; readonly uid: string }) => string | undefined,
): Accepted {
  return accept(given, operatorRecord, (record) => {
    const { id, kind, time: when, tenant: of, outcome } = record;
    const [action, why]: [string, Json] =
      record.kind === 'rotation' ? ['secrets.rotate', { cause: record.cause }] : ['secrets.read', { purpose: record.purpose }];
    const details = { ...(why as object), secrets: record.secrets };
    return { id, kind, time: when, actor, action, outcome, tenant: of, tenantOrganizationId: organizationOf(of), details };
  });
}

function accept<Schema extends z.ZodType>(
  given: readonly unknown[],
  schema: Schema,
  toRecord: (record: z.infer<Schema>) => NewRecord,
): Accepted {
  const records: NewRecord[] = [];
  const refused: z.infer<typeof refusedRecord>[] = [];
  for (const one of given) {
    const form = validate(schema, one);
    if (form.fits) records.push(toRecord(form.value));
    else {
      const message = form.faults.map(({ pointer, message: said }) => `${pointer} ${said}`.trim());
      refused.push({ id: idOf(one), message: message.join('; ').slice(0, 500) });
    }
  }
  return { records, refused };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The id of a record if it is a UUID. Other text from outside must not reach the log. */
function idOf(record: unknown): string {
  const id = record !== null && typeof record === 'object' && 'id' in record ? record.id : undefined;
  return typeof id === 'string' && uuid.test(id) ? id : '';
}
