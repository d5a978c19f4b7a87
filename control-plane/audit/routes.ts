import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { recordKinds } from '../../audit/record.ts';
import type { SigningKey } from '../../audit/signing-keys.ts';
import { verdictOf } from '../../audit/verification.ts';
import { tenantName } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import type { Access } from '../access/access.ts';
import { visible } from '../access/scope.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import { operation } from '../http/operation.ts';
import { page } from '../http/page.ts';
import type { Admin } from '../identity/admins.ts';
import type { ChainReader, HeadCursor } from './chain-reader.ts';
import type { ExpectedChain } from './expected-chains.ts';
import { exportLines } from './export.ts';
import type { Listing } from './listing.ts';
import type { ReadSlots } from './read-slots.ts';
import { auditPage, auditVerification, headPage, publicKeys, represent } from './representation.ts';
import { type VerifiedMonth, verifyChains } from './verify-chains.ts';

export interface AuditRouteParts {
  readonly access: Access;
  readonly directory: Pick<TenantDirectory, 'find'>;
  readonly listing: Listing;
  readonly reader: ChainReader;
  readonly key: () => SigningKey;
  readonly slots: ReadSlots;
  readonly now: () => Date;
}

const tags = ['audit'];
const text = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[ -~]*$/, 'must be printable ASCII');
const tenant = text.optional().describe('Name of a tenant, which may be deleted.');
const time = z.iso
  .datetime({ offset: true, error: 'must be a time of RFC 3339' })
  .refine((given) => !Number.isNaN(Date.parse(given)), 'must be a time of RFC 3339')
  .optional();
const month = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'must be a month, such as 2026-11')
  .optional();
const range = {
  tenant,
  from: month.describe('First month; default: the first month of each chain.'),
  to: month.describe('Last month; default: the current month.'),
};

/** @throws Problem invalid-query for a range without a month, in which no fault would be found. */
function refuseInverted({ from, to }: { readonly from?: string | undefined; readonly to?: string | undefined }): void {
  if (from !== undefined && to !== undefined && from > to) {
    throw new Problem('invalid-query', `The range has no month: from (${from}) is after to (${to}).`);
  }
}

/** The routes under `/admin/audit`. */
export function auditRoutes(server: FastifyInstance, parts: AuditRouteParts): void {
  const app = server.withTypeProvider<ZodTypeProvider>();
  const { access, directory, listing, reader, key, slots } = parts;
  const onRequest = access.allow('audit:read');
  const find = async (name: string) => (tenantName.safeParse(name).success ? await directory.find(name) : undefined);

  /** The chains that the caller may read. @throws Problem tenant-not-found */
  const chainsFor = async (admin: Admin, name: string | undefined): Promise<ExpectedChain[]> => {
    const chains = await reader.chains({ ...scopeOf(admin), tenant: name });
    // An existing tenant without records is not an error.
    if (name !== undefined && chains.length === 0) visible(admin, name, await find(name));
    return chains;
  };

  app.get(
    '/admin/audit',
    {
      onRequest,
      schema: operation({
        operationId: 'listAuditRecords',
        tags,
        summary: 'List records, the newest first',
        description:
          'Administrators of an organization see the records of its tenants. Later pages do not contain records that arrived after the first page.',
        querystring: z.strictObject({
          tenant,
          actor: text.optional().describe('`user_…`, `client_…` or `key:<id>`.'),
          action: text.optional().describe('Such as `tenants.create`, `tools.call`, `secrets.rotate`.'),
          outcome: text.optional().describe('`ok`, `intended`, or a word for the failure.'),
          kind: z.enum(recordKinds).optional().describe('Kind of the record.'),
          requestId: text.optional().describe('Id of the request: X-Request-Id of its response.'),
          from: time.describe('Received at this time or later.'),
          to: time.describe('Received before this time.'),
          ...page,
        }),
        response: { 200: auditPage },
        problems: ['invalid-query', 'store-unavailable'],
      }),
    },
    async (request, reply) => {
      const { tenant: name, limit, cursor, from, to, ...filter } = request.query;
      const scope = { ...scopeOf(access.admin(request)), tenant: name };
      const times = { from: from === undefined ? undefined : new Date(from), to: to === undefined ? undefined : new Date(to) };
      const { items, next } = await listing.page(scope, { ...filter, ...times }, limit, cursor);
      return reply.send({ items: items.map(represent), ...(next === undefined ? {} : { nextCursor: next }) });
    },
  );

  app.get(
    '/admin/audit/verify',
    {
      onRequest,
      // Reading whole chains takes longer than the timeout of other requests.
      handlerTimeout: 600_000,
      schema: operation({
        operationId: 'verifyAudit',
        tags,
        summary: 'Recompute chains and compare them with their signed heads',
        description:
          'Verifies all chains that the caller may read, or those of one tenant. A broken chain is reported with status 200: read `verdict`. A range without records has the verdict `nothing-checked`.',
        querystring: z.strictObject(range),
        response: { 200: auditVerification },
        problems: ['invalid-query', 'tenant-not-found', 'too-many-requests', 'store-unavailable'],
      }),
    },
    async (request, reply) => {
      const { tenant: name, from, to } = request.query;
      refuseInverted({ from, to });
      const admin = access.admin(request);
      const slot = slots.acquire(request, admin.organizationId);
      try {
        const chains = await chainsFor(admin, name);
        const months: VerifiedMonth[] = [];
        for await (const month of verifyChains(reader, key().trusted, chains, { from, to }, slot.signal)) months.push(month);
        return reply.send(summaryOf(months));
      } finally {
        slot.release();
      }
    },
  );

  app.get(
    '/admin/audit/export',
    {
      onRequest,
      // Reading whole chains takes longer than the timeout of other requests.
      handlerTimeout: 600_000,
      schema: {
        produces: ['application/jsonl'],
        ...operation({
          operationId: 'exportAudit',
          tags,
          summary: 'Export chains as JSON Lines',
          description:
            'The export contains hashes, signed heads and public keys, and `tenantry audit verify <file>` verifies it offline. The last line has the type `end`; an export without it is incomplete.',
          querystring: z.strictObject(range),
          response: { 200: z.string().describe('One JSON object a line.') },
          problems: ['invalid-query', 'tenant-not-found', 'too-many-requests', 'store-unavailable'],
        }),
      },
    },
    async (request, reply) => {
      const { tenant: name, from, to } = request.query;
      refuseInverted({ from, to });
      const admin = access.admin(request);
      const slot = slots.acquire(request, admin.organizationId);
      const { signal } = slot;
      await chainsFor(admin, name).catch((error: unknown) => {
        slot.release();
        throw error;
      });
      const scope = { ...scopeOf(admin), tenant: name };
      const chains = () => reader.chains(scope);
      const lines = exportLines({ reader, key: key(), scope, chains, range: { from, to }, now: parts.now(), signal });
      const stream = slot.stream(lines);
      // The connection ends without the last line, which tells the caller that the export is incomplete.
      stream.once('error', (err) => request.log.warn({ err }, 'export interrupted'));
      return reply.type('application/jsonl; charset=utf-8').send(stream as unknown as string);
    },
  );

  app.get(
    '/admin/audit/heads',
    {
      onRequest,
      schema: operation({
        operationId: 'listAuditHeads',
        tags,
        summary: 'List signed heads, the newest of each month',
        description: 'Keep them outside the database. A verification with kept heads finds records that were removed or rewritten later.',
        querystring: z.strictObject({ ...range, ...page }),
        response: { 200: headPage },
        problems: ['invalid-query', 'tenant-not-found', 'store-unavailable'],
      }),
    },
    async (request, reply) => {
      const { tenant: name, from, to, limit, cursor } = request.query;
      refuseInverted({ from, to });
      const admin = access.admin(request);
      if (name !== undefined) await chainsFor(admin, name);
      const after = cursor === undefined ? undefined : readHeadCursor(cursor);
      const { items, next } = await reader.headPage({ ...scopeOf(admin), tenant: name }, { from, to }, limit, after);
      return reply.send({ items, ...(next === undefined ? {} : { nextCursor: writeHeadCursor(next) }) });
    },
  );

  app.get(
    '/admin/audit/keys',
    {
      onRequest,
      schema: operation({
        operationId: 'listAuditKeys',
        tags,
        summary: 'List the public keys that verify signed heads',
        description: 'The current key comes first. Keep the keys outside the database to verify exports with them.',
        response: { 200: publicKeys },
        problems: [],
      }),
    },
    async (_request, reply) => reply.send({ keys: key().trusted.all }),
  );
}

function scopeOf(admin: Admin): { organizationId: string | undefined } {
  return { organizationId: admin.platform ? undefined : admin.organizationId };
}

function summaryOf(months: readonly VerifiedMonth[]): z.infer<typeof auditVerification> {
  const broken = months.find(({ state }) => state === 'broken');
  const { sequence, recordId } = broken?.fault ?? {};
  const verdict = verdictOf(months);
  return {
    verdict,
    ok: verdict === 'intact',
    records: months.reduce((sum, { records }) => sum + records, 0),
    ...(broken === undefined || sequence === undefined
      ? {}
      : { firstBroken: { chain: broken.chain, month: broken.month, sequence, ...(recordId === undefined ? {} : { recordId }) } }),
    months: [...months],
  };
}

function writeHeadCursor({ chain, month }: HeadCursor): string {
  return Buffer.from(`${month} ${chain}`).toString('base64url');
}

function readHeadCursor(cursor: string): HeadCursor {
  const [, month, chain] = /^(\d{4}-\d{2}) ([ -~]{1,100})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (month === undefined || chain === undefined) {
    throw new Problem('invalid-query', 'The cursor does not come from this API.', {
      remedy: 'Start again without a cursor.',
    });
  }
  return { chain, month };
}
