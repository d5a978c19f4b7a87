import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import type { ApiKeyUsage } from '../audit/api-key-usage.ts';
import { keyUse, operatorRecord, refusedRecord, type Taken, takeOperatorRecords, takeToolCalls, toolCallRecord } from '../audit/intake.ts';
import type { IntakeLimits } from '../audit/intake-limits.ts';
import type { Ledger } from '../audit/ledger.ts';
import type { AuditMetrics } from '../audit/metrics.ts';
import type { OperatorIdentity } from '../audit/operator-identity.ts';
import { bearerToken } from '../http/bearer.ts';
import { operation } from '../http/operation.ts';
import { invalid } from '../http/problem.ts';
import { checkForm } from '../http/validation.ts';
import type { TenantDirectory } from '../tenant-directory.ts';
import type { PodIdentity } from './identity.ts';

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
const keys = z.array(keyUse).max(mostRecords).default([]).describe('API keys used since the last time they were told of.');
/** As the document has them, and as they are checked first: each record is checked by itself. */
const podBatch = { told: z.object({ records: batchOf(toolCallRecord), keys }), checked: z.object({ records: batchOf(z.unknown()), keys }) };
const operatorBatch = {
  told: z.object({ records: batchOf(operatorRecord) }),
  checked: z.object({ records: batchOf(z.unknown()) }),
};

const answer = z
  .object({
    accepted: z.int().describe('Records that were new. All that were not refused are kept: whoever sent them may forget them.'),
    refused: z.array(refusedRecord).describe('Records that are malformed and never will be taken.'),
  })
  .meta({ id: 'AuditReceipt' });

/** What sidecars and the operator report. A record's tenant is that of the pod's token; what the operator says of tenants is believed. */
export function auditIntakeRoutes(server: FastifyInstance, parts: AuditIntakeParts): void {
  const app = server.withTypeProvider<ZodTypeProvider>();
  const { ledger, usage, limits, metrics, pods, operator, directory, now } = parts;
  const tenants = new WeakMap<FastifyRequest, Tenant>();

  const keep = async (request: FastifyRequest, { records, refused: malformed }: Taken): Promise<z.infer<typeof answer>> => {
    const { added, untakable } = await ledger.appendStorable(records);
    const refused = [...malformed, ...untakable.map(({ id }) => ({ id, message: 'The database does not take it.' }))];
    if (refused.length > 0) {
      metrics.refusedRecords.inc(refused.length);
      request.log.error({ refused: refused.slice(0, 5), count: refused.length }, 'audit records refused');
    }
    return { accepted: added, refused };
  };

  /** What is refused here is in the sender's spool, and sent again. @throws Problem too-many-requests */
  const refuseWhenFast = (request: FastifyRequest, { metadata: { name, uid = '' } }: Tenant): void => {
    const seconds = limits.waitSeconds(uid);
    if (seconds === 0) return;
    metrics.postponed.inc();
    request.log.warn({ tenant: name, seconds }, 'audit records of a tenant come faster than they may');
    throw new Problem('too-many-requests', 'The tenant has sent more records than it may.', {
      remedy: `Send these records again in ${seconds} s.`,
      headers: { 'retry-after': String(seconds) },
    });
  };

  app.post(
    '/pods/v1/audit',
    {
      bodyLimit,
      onRequest: async (request) => {
        const tenant = await pods.identify(bearerToken(request.headers.authorization));
        tenants.set(request, tenant);
        refuseWhenFast(request, tenant);
      },
      validatorCompiler: () => (body: unknown) => check(podBatch.checked, body),
      schema: operation({
        caller: 'pod',
        operationId: 'recordToolCalls',
        tags: ['pods'],
        summary: 'Keep records of tool calls',
        description: 'The same record may be sent again. Answered once the records are stored.',
        body: podBatch.told,
        response: { 200: answer },
        problems: ['too-many-requests'],
      }),
    },
    async (request) => {
      const tenant = tenants.get(request);
      if (tenant === undefined) throw new Error('a route of pods has not asked who is calling');
      const { records } = request.body;
      limits.count(tenant.metadata.uid ?? '', { records: records.length, bytes: JSON.stringify(request.body).length });
      const uses = request.body.keys.map(({ id, lastUsedAt }) => ({ id, lastUsedAt: Date.parse(lastUsedAt) }));
      const kept = await keep(request, takeToolCalls(records, tenant));
      await usage.record(tenant.metadata.uid ?? '', uses, now());
      return kept;
    },
  );

  app.post(
    '/operator/v1/audit',
    {
      bodyLimit,
      onRequest: (request) => operator.require(bearerToken(request.headers.authorization)),
      validatorCompiler: () => (body: unknown) => check(operatorBatch.checked, body),
      schema: operation({
        caller: 'operator',
        operationId: 'recordRotations',
        tags: ['operator'],
        summary: "Keep the operator's records",
        description: 'Rotations, and reads of Secrets. The same record may be sent again. Answered once the records are stored.',
        body: operatorBatch.told,
        response: { 200: answer },
        problems: [],
      }),
    },
    async (request) => {
      const organizationOf = ({ name, uid }: { readonly name: string; readonly uid: string }) => {
        const tenant = directory.known(name);
        return tenant?.metadata.uid === uid ? tenant.spec.organizationId : undefined;
      };
      return await keep(request, takeOperatorRecords(request.body.records, operator.account, organizationOf));
    },
  );
}

function check<T extends z.ZodType>(schema: T, body: unknown): { value: z.infer<T> } | { error: Error } {
  const form = checkForm(schema, body);
  return form.fits ? { value: form.value } : { error: invalid(form.faults) };
}
