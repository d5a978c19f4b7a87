import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Roles } from '../directory/roles.ts';
import { listOf, parsed } from './lists.ts';

const creation = z.object({
  slug: z.string().min(1).max(48),
  name: z.string().min(1).max(48),
  description: z.string().max(150).nullish(),
  resource_type_slug: z.string().max(48).optional(),
});
const change = z.object({ name: z.string().min(1).max(48).optional(), description: z.string().max(150).nullish() });

/** https://workos.com/docs/reference/roles/permission */
export function permissionRoutes(app: FastifyInstance, roles: Roles): void {
  type One = { Params: { slug: string } };
  const one = '/authorization/permissions/:slug';
  app.post('/authorization/permissions', async ({ body }, reply) => {
    const { resource_type_slug: resourceType, ...wanted } = parsed(creation, body);
    return reply.status(201).send(roles.createPermission({ ...wanted, resourceType }));
  });
  app.get('/authorization/permissions', async ({ query }) => listOf(roles.permissions(), query));
  app.get<One>(one, async ({ params }) => roles.permission(params.slug));
  app.patch<One>(one, async ({ params, body }) => roles.updatePermission(params.slug, parsed(change, body)));
  app.delete<One>(one, async ({ params }, reply) => {
    roles.deletePermission(params.slug);
    return reply.status(204).send();
  });
}
