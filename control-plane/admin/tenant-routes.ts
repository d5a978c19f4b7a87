import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { deletionPolicies } from '../../crds/deletion.ts';
import { tenantStatus } from '../../crds/tenant.ts';
import { mergePatch } from '../../json/merge-patch.ts';
import { isObject } from '../../json/object.ts';
import type { Access } from '../access/access.ts';
import { demanded, digestOf, isKnown } from '../http/entity-tags.ts';
import { operation } from '../http/operation.ts';
import { page } from '../http/page.ts';
import { bodyUnchecked } from '../http/validation.ts';
import { type Idempotency, marksOf } from '../idempotency/idempotency.ts';
import type { TenantEvents } from './events.ts';
import { parseSelector } from './labels.ts';
import { pageOf } from './listing.ts';
import { byName, dryRun, force, idempotencyKey, ifMatch, ifNoneMatch, sort } from './parameters.ts';
import { recordedBody } from './recorded-body.ts';
import { etagOf, newTenant, represent, tenantList, tenantPatch, tenantRepresentation, tenantWithEvents } from './representation.ts';
import type { Tenants } from './tenants.ts';

const phases = tenantStatus.shape.phase.unwrap();
const tags = ['tenants'];

const listQuery = z.strictObject({
  ...page,
  sort,
  labelSelector: z
    .string()
    .max(2000)
    .optional()
    .describe('Label selector with the syntax of kubectl: `tier=gold,region in (eu,us),!beta`.')
    .meta({ examples: ['tier=gold'] }),
  template: z.string().max(63).optional().describe('Only tenants of this template.'),
  phase: phases.optional().describe('Only tenants in this phase.'),
});

/** The routes of `/admin/tenants`: list, create, read, change and delete. */
export function tenantRoutes(
  server: FastifyInstance,
  access: Access,
  tenants: Tenants,
  events: TenantEvents,
  idempotency: Idempotency,
): void {
  const app = server.withTypeProvider<ZodTypeProvider>();

  app.get(
    '/admin/tenants',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'listTenants',
        tags,
        summary: 'List tenants',
        description:
          'Lists the tenants that the caller may see. Pages neither skip nor repeat a tenant that exists from the first page to the last.',
        querystring: listQuery,
        headers: z.looseObject({ 'if-none-match': ifNoneMatch }),
        response: { 200: tenantList, 304: z.null().describe("The caller's copy is up to date.") },
        problems: ['invalid-query'],
        answerHeaders: { 200: ['etag'], 304: ['etag'] },
      }),
    },
    async (request, reply) => {
      const { labelSelector, template, phase, ...rest } = request.query;
      const selects = labelSelector === undefined ? () => true : parseSelector(labelSelector);
      const all = (await tenants.list(access.admin(request))).filter(
        ({ metadata, spec, status }) =>
          (template === undefined || spec.template.name === template) &&
          (phase === undefined || (status?.phase ?? 'Pending') === phase) &&
          selects(metadata.labels ?? {}),
      );
      const { items, nextCursor } = pageOf(all, { ...rest, cursor: rest.cursor });
      const versions = items.map(({ metadata }) => `${metadata.uid ?? ''}/${metadata.resourceVersion ?? ''}`);
      const etag = `"${digestOf(...versions, nextCursor ?? '')}"`;
      reply.header('etag', etag);
      if (isKnown(request.headers['if-none-match'], etag)) return reply.status(304).send(null);
      return reply.send({ items: items.map(represent), ...(nextCursor === undefined ? {} : { nextCursor }) });
    },
  );

  app.get(
    '/admin/tenants/:name',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'getTenant',
        tags,
        summary: 'Read a tenant',
        description: 'The answer has the conditions, the URLs and the latest Kubernetes Events of the tenant.',
        params: byName,
        headers: z.looseObject({ 'if-none-match': ifNoneMatch }),
        response: { 200: tenantWithEvents, 304: z.null().describe("The caller's copy is up to date.") },
        problems: ['tenant-not-found'],
        answerHeaders: { 200: ['etag'], 304: ['etag'] },
      }),
    },
    async (request, reply) => {
      const tenant = await tenants.get(access.admin(request), request.params.name);
      const recent = events.of(tenant);
      const etag = etagOf(tenant, recent);
      reply.header('etag', etag);
      if (isKnown(request.headers['if-none-match'], etag)) return reply.status(304).send(null);
      return reply.send({ ...represent(tenant), events: recent.map(({ version: _version, ...event }) => event) });
    },
  );

  app.post(
    '/admin/tenants',
    {
      onRequest: access.allow('tenants:write', 'tenants.create', 'platform'),
      // The body is checked together with faults that need lookups, so that one answer has every fault.
      validatorCompiler: bodyUnchecked,
      schema: operation({
        operationId: 'createTenant',
        tags,
        summary: 'Create a tenant',
        description:
          'For administrators of the platform. The server answers at once. The tenant is ready when its condition Ready is true.',
        querystring: z.strictObject({ dryRun }),
        headers: z.looseObject({ 'idempotency-key': idempotencyKey }),
        body: newTenant,
        response: {
          200: tenantRepresentation.describe('The result of a dry run, which is not stored.'),
          201: tenantRepresentation.describe('The tenant has been created.'),
        },
        problems: [
          'invalid-query',
          'tenant-exists',
          'organization-taken',
          'tenant-deleting',
          'refused-by-cluster',
          'idempotency-in-progress',
          'idempotency-key-reused',
        ],
        answerHeaders: { 201: ['location', 'etag', 'idempotency-replayed'] },
      }),
    },
    async (request, reply) => {
      const admin = access.admin(request);
      if (request.query.dryRun)
        return reply.status(200).send(represent(await tenants.create(admin, request.body, { dryRun: true, request: undefined })));
      const key = request.headers['idempotency-key'];
      const repeatable = key === undefined ? undefined : { caller: `${admin.organizationId}/${admin.userId}`, key, body: request.body };
      const marks = repeatable === undefined ? undefined : marksOf(repeatable);
      const create = async () => {
        const details = recordedBody(request.body, await tenants.parameterSchema(templateIn(request.body)));
        const event = { action: 'tenants.create', ...nameIn(request.body), details } as const;
        const work = () => tenants.create(admin, request.body, { dryRun: false, request: marks });
        const tenant = await access.perform(request, event, work, (created) => ({ tenant: created }));
        const headers = { location: `/admin/tenants/${tenant.metadata.name}`, etag: etagOf(tenant, events.of(tenant)) };
        return { status: 201, headers, body: represent(tenant) };
      };
      if (repeatable === undefined) {
        const { headers, body } = await create();
        return reply.status(201).headers(headers).send(body);
      }
      const { headers, body, replayed } = await idempotency.answer(repeatable, create);
      return reply
        .status(201)
        .headers({ ...headers, 'idempotency-replayed': String(replayed) })
        .send(body as ReturnType<typeof represent>);
    },
  );

  app.patch(
    '/admin/tenants/:name',
    {
      onRequest: access.allow('tenants:write', 'tenants.patch'),
      schema: operation({
        operationId: 'changeTenant',
        tags,
        summary: 'Change a tenant',
        description:
          'The body is a JSON merge patch. Administrators of a tenant can change displayName, parameters, services, tools, domains and suspended. Administrators of the platform can change all fields that are not immutable. ' +
          'Changes of fields of another field manager, such as a GitOps tool, are refused. An administrator of the platform can take them over with `force`. ' +
          'Only the platform can resume a tenant that it has suspended.',
        params: byName,
        querystring: z.strictObject({ dryRun, force }),
        headers: z.looseObject({ 'if-match': ifMatch }),
        body: tenantPatch,
        consumes: ['application/json', 'application/merge-patch+json'],
        response: { 200: tenantRepresentation },
        problems: [
          'invalid-query',
          'suspended-by-platform',
          'tenant-not-found',
          'organization-taken',
          'tenant-deleting',
          'field-managed',
          'refused-by-cluster',
          'conflict',
          'precondition-failed',
        ],
        answerHeaders: { 200: ['etag'] },
      }),
    },
    async (request, reply) => {
      const { labels, ...spec } = request.body;
      const options = { ...request.query, ifMatch: demanded(request.headers['if-match']) };
      const edit = () => ({ spec, ...(labels === undefined ? {} : { labels }) });
      const change = () => tenants.change(access.admin(request), request.params.name, edit, options);
      const before = await tenants.get(access.admin(request), request.params.name);
      const schema = await tenants.parameterSchema(mergePatch(before.spec.template, spec.template ?? {}));
      const details = { patch: recordedBody(request.body, schema), force: options.force };
      const event = { action: 'tenants.patch', tenant: before, details } as const;
      const tenant = await (options.dryRun ? change() : access.perform(request, event, change));
      return reply.header('etag', etagOf(tenant, events.of(tenant))).send(represent(tenant));
    },
  );

  app.delete(
    '/admin/tenants/:name',
    {
      onRequest: access.allow('tenants:delete', 'tenants.delete'),
      schema: operation({
        operationId: 'deleteTenant',
        tags,
        summary: 'Delete a tenant',
        description:
          "Removes pods, namespace, secrets, API keys, routes and OAuth resources. `data` decides about the database and overrides the tenant's deletionPolicy. " +
          'Without `data` nothing is deleted, and the answer describes the effects of a deletion.',
        params: byName,
        querystring: z.strictObject({
          data: z
            .enum(deletionPolicies)
            .optional()
            .describe('retain: the database is kept and locked. delete: the database is dropped with all its data.'),
        }),
        headers: z.looseObject({ 'if-match': ifMatch }),
        response: { 202: tenantRepresentation.describe('The deletion has begun. It has ended when the tenant is answered with 404.') },
        problems: [
          'invalid-query',
          'tenant-not-found',
          'deletion-choice-required',
          'tenant-deleting',
          'refused-by-cluster',
          'conflict',
          'precondition-failed',
        ],
      }),
    },
    async (request, reply) => {
      const { params, query } = request;
      const admin = access.admin(request);
      const ifMatch = demanded(request.headers['if-match']);
      const event = { action: 'tenants.delete', tenant: await tenants.get(admin, params.name), details: query } as const;
      const tenant = await access.perform(request, event, () => tenants.remove(admin, params.name, query.data, ifMatch));
      return reply.status(202).send(represent(tenant));
    },
  );
}

function templateIn(body: unknown): unknown {
  return isObject(body) ? body['template'] : undefined;
}

/** The tenant that the body names, if it names one. */
function nameIn(body: unknown): { tenant?: { readonly name: string } } {
  const { name } = (body ?? {}) as { name?: unknown };
  return typeof name === 'string' ? { tenant: { name: name.slice(0, 63) } } : {};
}
