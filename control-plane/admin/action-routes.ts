import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { annotations } from '../../crds/names.ts';
import type { Access } from '../access/access.ts';
import { operation } from '../http/operation.ts';
import { byName, force } from './parameters.ts';
import { represent, tenantRepresentation } from './representation.ts';
import type { Tenants } from './tenants.ts';

const tags = ['tenants'];

const rotation = z
  .object({
    rotationRequest: z
      .string()
      .describe('The value of status.secrets.rotationRequest after the secrets have been replaced.')
      .meta({ format: 'date-time' }),
    tenant: tenantRepresentation,
  })
  .meta({ id: 'Rotation' });

/** The actions on a whole tenant: suspend, resume and rotate. */
export function actionRoutes(server: FastifyInstance, access: Access, tenants: Tenants, now: () => Date): void {
  const app = server.withTypeProvider<ZodTypeProvider>();

  for (const { action, suspended, summary, description, problems } of [
    {
      action: 'suspend',
      suspended: true,
      summary: 'Stop the pods of a tenant and keep everything else',
      description: "The tenant's own administrators cannot resume a tenant that the platform has suspended.",
      problems: [],
    },
    {
      action: 'resume',
      suspended: false,
      summary: 'Start the pods of a suspended tenant again',
      description:
        'Administrators of a tenant can resume it only if they suspended it. A suspension with kubectl counts as one by the platform.',
      problems: ['suspended-by-platform'],
    },
  ] as const) {
    app.post(
      `/admin/tenants/:name/${action}`,
      {
        onRequest: access.allow('tenants:write', `tenants.${action}`),
        schema: operation({
          operationId: `${action}Tenant`,
          tags,
          summary,
          description,
          params: byName,
          querystring: z.strictObject({ force }),
          response: { 200: tenantRepresentation },
          problems: [
            ...problems,
            'invalid-query',
            'tenant-not-found',
            'tenant-deleting',
            'field-managed',
            'refused-by-cluster',
            'conflict',
          ],
        }),
      },
      async (request, reply) => {
        const [admin, { name }] = [access.admin(request), request.params];
        const event = { action: `tenants.${action}`, tenant: await tenants.get(admin, name), details: request.query } as const;
        const suspend = () => tenants.change(admin, name, () => ({ spec: { suspended } }), request.query);
        return reply.send(represent(await access.perform(request, event, suspend)));
      },
    );
  }

  app.post(
    '/admin/tenants/:name/rotate',
    {
      onRequest: access.allow('tenants:rotate', 'tenants.rotate'),
      schema: operation({
        operationId: 'rotateTenant',
        tags,
        summary: 'Replace the generated secrets of a tenant',
        description: "Old and new secrets are both valid during the tenant's overlap, so that no request fails.",
        params: byName,
        response: { 202: rotation.describe('The rotation has been requested from the operator.') },
        problems: ['tenant-not-found', 'tenant-deleting', 'refused-by-cluster', 'conflict'],
      }),
    },
    async (request, reply) => {
      const rotationRequest = now().toISOString();
      const edit = { annotations: { [annotations.rotate]: rotationRequest } };
      const [admin, { name }] = [access.admin(request), request.params];
      const event = { action: 'tenants.rotate', tenant: await tenants.get(admin, name), details: { rotationRequest } } as const;
      const tenant = await access.perform(request, event, () => tenants.change(admin, name, () => edit));
      return reply.status(202).send({ rotationRequest, tenant: represent(tenant) });
    },
  );
}
