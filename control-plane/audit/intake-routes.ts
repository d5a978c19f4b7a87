import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import { operation } from '../http/operation.ts';
import { invalid } from '../http/problem.ts';
import { validate } from '../http/validation.ts';
import type { PodIdentity } from '../pods/identity.ts';
import type { ApiKeyUsage } from './api-key-usage.ts';
import { type Accepted, acceptOperatorRecords, acceptToolCalls, keyUse, operatorRecord, refusedRecord, toolCallRecord } from './intake.ts';
import type { IntakeLimits } from './intake-limits.ts';
import type { Ledger } from './ledger.ts';
import type { AuditMetrics } from './metrics.ts';
import type { OperatorIdentity } from './operator-identity.ts';

export interface AuditIntakeParts {
  readonly ledger: Ledger;
  readonly usage: ApiKeyUsage;
  readonly limits: IntakeLimits;
  readonly metrics: Pick<AuditMetrics, 'refusedRecords' | 'postponed'>;
  readonly pods: PodIdentity;
  readonly operator: OperatorIdentity;
  readonly directory: Pick<TenantDirectory, 'known'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const mostRecords = 500;
const bodyLimit = 1024 * 1024;

const batchOf = <T extends z.ZodType>(record: T) => z.array(record).max(mostRecords).describe('Oldest first.');
const keys = z.array(keyUse).max(mostRecords).default([]).describe('API keys that were used since the last report.');
/** `documented` is the schema of the OpenAPI document. `checked` admits malformed records, because each record is checked alone. */
const podBatch = {
  documented: z.object({ records: batchOf(toolCallRecord), keys }),
  checked: z.object({ records: batchOf(z.unknown()), keys }),
};
const operatorBatch = {
  documented: z.object({ records: batchOf(operatorRecord) }),
  checked: z.object({ records: batchOf(z.unknown()) }),
};

const answer = z
  .object({
    accepted: z.int().describe('Number of new records. All records except the refused ones are stored; the sender may delete them.'),
    refused: z.array(refusedRecord).describe('Malformed records, which are never stored.'),
  })
  .meta({ id: 'AuditReceipt' });

/** The routes for records of sidecars and the operator. A pod's token decides the tenant of its records; the operator names tenants itself. */
export function auditIntakeRoutes(server: FastifyInstance, parts: AuditIntakeParts): void {
  const app = server.withTypeProvider<ZodTypeProvider>();
  const { ledger, usage, limits, metrics, pods, operator, directory, now } = parts;
  const tenants = new WeakMap<FastifyRequest, Tenant>();

  const keep = async (request: FastifyRequest, { records, refused: malformed }: Accepted): Promise<z.infer<typeof answer>> => {
    const { added, refused: unstorable } = await ledger.appendStorable(records);
    const refused = [...malformed, ...unstorable.map(({ id }) => ({ id, message: 'The database cannot store the record.' }))];
    if (refused.length > 0) {
      metrics.refusedRecords.inc(refused.length);
      request.log.error({ refused: refused.slice(0, 5), count: refused.length }, 'audit records refused');
    }
    return { accepted: added, refused };
  };

  /** Refuses a tenant above its rate. The records stay in the sender's spool and are sent again. @throws Problem too-many-requests */
  const enforceRate = (request: FastifyRequest, { metadata: { name, uid = '' } }: Tenant): void => {
    const seconds = limits.waitSeconds(uid);
    if (seconds === 0) return;
    metrics.postponed.inc();
    request.log.warn({ tenant: name, seconds }, 'a tenant exceeds its rate of audit records');
    throw new Problem('too-many-requests', 'The tenant exceeds its rate of audit records.', {
      remedy: `Send these records again in ${seconds} s.`,
      headers: { 'retry-after': String(seconds) },
    });
  };

  app.post(
    '/pods/v1/audit',
    {
      bodyLimit,
      onRequest: async (request) => {
        const tenant = await pods.identify(request);
        tenants.set(request, tenant);
        enforceRate(request, tenant);
      },
      validatorCompiler: () => (body: unknown) => check(podBatch.checked, body),
      schema: operation({
        caller: 'pod',
        operationId: 'recordToolCalls',
        tags: ['pods'],
        summary: 'Store records of tool calls',
        description: 'The server answers after it has stored the records. The same record may be sent again.',
        body: podBatch.documented,
        response: { 200: answer },
        problems: ['too-many-requests'],
      }),
    },
    async (request) => {
      const tenant = tenants.get(request);
      if (tenant === undefined) throw new Error('the request has no authenticated pod');
      const { records } = request.body;
      limits.count(tenant.metadata.uid ?? '', { records: records.length, bytes: JSON.stringify(request.body).length });
      const uses = request.body.keys.map(({ id, lastUsedAt }) => ({ id, lastUsedAt: Date.parse(lastUsedAt) }));
      const kept = await keep(request, acceptToolCalls(records, tenant));
      await usage.record(tenant.metadata.uid ?? '', uses, now());
      return kept;
    },
  );

  app.post(
    '/operator/v1/audit',
    {
      bodyLimit,
      onRequest: (request) => operator.require(request),
      validatorCompiler: () => (body: unknown) => check(operatorBatch.checked, body),
      schema: operation({
        caller: 'operator',
        operationId: 'recordRotations',
        tags: ['operator'],
        summary: "Store the operator's records",
        description:
          'Rotations and reads of Secrets. The server answers after it has stored the records. The same record may be sent again.',
        body: operatorBatch.documented,
        response: { 200: answer },
        problems: ['too-many-requests'],
      }),
    },
    async (request) => {
      const organizationOf = ({ name, uid }: { readonly name: string; readonly uid: string }) => {
        const tenant = directory.known(name);
        return tenant?.metadata.uid === uid ? tenant.spec.organizationId : undefined;
      };
      return await keep(request, acceptOperatorRecords(request.body.records, operator.account, organizationOf));
    },
  );
}

function check<T extends z.ZodType>(schema: T, body: unknown): { value: z.infer<T> } | { error: Error } {
  const form = validate(schema, body);
  return form.fits ? { value: form.value } : { error: invalid(form.faults) };
}
