import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { Problem, problemDetails } from '../http/problem.ts';
import { type Admin, type Admins, type Permission, requirePermission } from '../identity/admins.ts';
import { etagOf, newTenant, represent, tenantList, tenantPatch, tenantRepresentation } from './representation.ts';
import type { Tenants } from './tenants.ts';

const byName = z.object({ name: z.string().max(253) });
const page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(100).describe('Tenants a page.'),
  cursor: z.string().max(200).optional().describe('`nextCursor` of the page before.'),
});
const etag = z.looseObject({ 'if-match': z.string().optional().describe('ETag the tenant must still have.') });

/** Statuses with problem documents, for the OpenAPI document. */
function problems(...statuses: number[]) {
  return Object.fromEntries([401, 403, ...statuses, 503].map((status) => [status, problemDetails.describe('Problem details (RFC 9457).')]));
}

/** `/admin/tenants`: who you are, whether you may, and what exactly. */
export function adminRoutes(server: FastifyInstance, tenants: Tenants, admins: Admins): void {
  const app = server.withTypeProvider<ZodTypeProvider>();
  const known = new WeakMap<FastifyRequest, Admin>();

  // Before the body is read: a stranger learns nothing of what a valid body is.
  const allow = (permission: Permission) => async (request: FastifyRequest) => {
    const admin = await admins.authenticate(request.headers.authorization);
    known.set(request, admin);
    requirePermission(admin, permission);
  };
  const audit = (request: FastifyRequest, message: string, name: string) =>
    request.log.info({ tenant: name, userId: known.get(request)?.userId, organizationId: known.get(request)?.organizationId }, message);
  const route = { tags: ['tenants'], security: [{ session: [] }] };

  app.post(
    '/admin/tenants',
    {
      onRequest: allow('tenants:write'),
      // The form is checked together with what only lookups can tell, so that every fault is in one answer.
      validatorCompiler: () => (data: unknown) => ({ value: data }),
      schema: {
        ...route,
        summary: 'Create a tenant',
        body: newTenant,
        response: { 201: tenantRepresentation, ...problems(400, 409, 413, 415, 422) },
      },
    },
    async (request, reply) => {
      const tenant = await tenants.create(request.body);
      audit(request, 'tenant created', tenant.metadata.name);
      return reply
        .status(201)
        .headers({ location: `/admin/tenants/${tenant.metadata.name}`, etag: etagOf(tenant) })
        .send(represent(tenant));
    },
  );

  app.get(
    '/admin/tenants',
    {
      onRequest: allow('tenants:read'),
      schema: { ...route, summary: 'List tenants by name', querystring: page, response: { 200: tenantList, ...problems(400) } },
    },
    async ({ query: { limit, cursor } }, reply) => {
      const { items, next } = await tenants.list(limit, cursor === undefined ? undefined : readCursor(cursor));
      return reply.send({ items: items.map(represent), ...(next === undefined ? {} : { nextCursor: writeCursor(next) }) });
    },
  );

  app.get(
    '/admin/tenants/:name',
    {
      onRequest: allow('tenants:read'),
      schema: { ...route, summary: 'Read a tenant', params: byName, response: { 200: tenantRepresentation, ...problems(404) } },
    },
    async ({ params }, reply) => {
      const tenant = await tenants.get(params.name);
      return reply.header('etag', etagOf(tenant)).send(represent(tenant));
    },
  );

  app.patch(
    '/admin/tenants/:name',
    {
      onRequest: allow('tenants:write'),
      schema: {
        ...route,
        summary: 'Change a tenant',
        params: byName,
        headers: etag,
        body: tenantPatch,
        response: { 200: tenantRepresentation, ...problems(400, 404, 409, 412, 413, 415, 422) },
      },
    },
    async (request, reply) => {
      const tenant = await tenants.change(request.params.name, request.body, readEtag(request.headers['if-match']));
      audit(request, 'tenant changed', tenant.metadata.name);
      return reply.header('etag', etagOf(tenant)).send(represent(tenant));
    },
  );

  app.delete(
    '/admin/tenants/:name',
    {
      onRequest: allow('tenants:delete'),
      schema: { ...route, summary: 'Delete a tenant', params: byName, response: { 202: tenantRepresentation, ...problems(404) } },
    },
    async (request, reply) => {
      const tenant = await tenants.remove(request.params.name);
      audit(request, 'tenant deletion begun', tenant.metadata.name);
      return reply.status(202).send(represent(tenant));
    },
  );
}

function writeCursor(name: string): string {
  return Buffer.from(name).toString('base64url');
}

function readCursor(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString();
  if (!/^[a-z][-a-z0-9]*$/.test(name)) throw new Problem('invalid-query', 'cursor is not one this API gave; begin without it.');
  return name;
}

/** The resourceVersion an If-Match demands; undefined for none and for `*`. */
function readEtag(header: string | undefined): string | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const version = /^"([^"]*)"$/.exec(header.trim())?.[1];
  if (version === undefined) throw new Problem('malformed-request', 'If-Match takes one ETag as this API gave it, such as "4711".');
  return version;
}
