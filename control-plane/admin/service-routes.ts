import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type StackTemplateSpec, servicesOf } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import type { Access } from '../access/access.ts';
import { operation } from '../http/operation.ts';
import { byName, byService, force } from './parameters.ts';
import type { Tenants } from './tenants.ts';

const tags = ['services'];

const service = z
  .object({
    name: z.string(),
    title: z.string().optional().describe('Name shown to people.'),
    description: z.string().optional().describe('Features that are missing while the service is off.'),
    default: z.boolean().describe('Whether the service is on for tenants that do not set it.'),
    enabled: z.boolean().describe('Whether the service is on for this tenant.'),
    tags: z.array(z.string()).describe("Tags of the API's operations that belong to the service."),
  })
  .meta({ id: 'Service' });

/** The routes for services, the features of a template that a tenant can switch on or off. */
export function serviceRoutes(server: FastifyInstance, access: Access, tenants: Tenants): void {
  const app = server.withTypeProvider<ZodTypeProvider>();

  app.get(
    '/admin/tenants/:name/services',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'listServices',
        tags,
        summary: 'List the services of a tenant',
        description: "Lists the services of the tenant's template. A service that the tenant does not set has the template's default.",
        params: byName,
        response: { 200: z.object({ items: z.array(service) }).meta({ id: 'ServiceList' }) },
        problems: ['tenant-not-found'],
      }),
    },
    async (request, reply) => {
      const tenant = await tenants.get(access.admin(request), request.params.name);
      return reply.send({ items: listServices((await tenants.templateOf(tenant))?.spec, tenant) });
    },
  );

  app.put(
    '/admin/tenants/:name/services/:service',
    {
      onRequest: access.allow('tenants:write', 'services.set'),
      schema: operation({
        operationId: 'setService',
        tags,
        summary: 'Turn a service on or off',
        description:
          'The tenant gets new pods for the change. While a service is off, its operations are not tools and answer `404` under `/api`.',
        params: byService,
        querystring: z.strictObject({ force }),
        body: z.strictObject({ enabled: z.boolean().describe('Whether to turn on the service.') }).meta({ id: 'ServiceState' }),
        response: { 200: service },
        problems: [
          'invalid-query',
          'tenant-not-found',
          'service-not-found',
          'tenant-deleting',
          'field-managed',
          'refused-by-cluster',
          'conflict',
        ],
      }),
    },
    async (request, reply) => {
      const { name, service } = request.params;
      const admin = access.admin(request);
      const before = await tenants.get(admin, name);
      const template = (await tenants.templateOf(before))?.spec;
      if (!template?.services?.some((one) => one.name === service))
        throw new Problem('service-not-found', `The template of tenant ${name} has no service ${service}.`);
      const edit = { spec: { services: { [service]: request.body.enabled } } };
      const event = { action: 'services.set', tenant: before, details: { service, ...request.body, ...request.query } } as const;
      const tenant = await access.perform(request, event, () => tenants.change(admin, name, () => edit, request.query));
      const state = listServices(template, tenant).find((one) => one.name === service);
      if (state === undefined) throw new Error('the service that was just set does not exist');
      return reply.send(state);
    },
  );
}

function listServices(template: StackTemplateSpec | undefined, { spec }: Tenant): z.infer<typeof service>[] {
  if (template === undefined) return [];
  const enabled = servicesOf(template, spec.services);
  return (template.services ?? []).map(({ name, title, description, default: standard = true, tags = [name] }) => ({
    name,
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    default: standard,
    enabled: enabled[name] ?? standard,
    tags,
  }));
}
