import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Roles } from '../directory/roles.ts';
import { listOf, parsed } from './lists.ts';

/** A new permission, or a new role. */
const creation = z.object({
  slug: z.string().min(1).max(48),
  name: z.string().min(1).max(48),
  description: z.string().max(150).nullish(),
  resource_type_slug: z.string().max(48).optional(),
});

/** https://workos.com/docs/reference/roles/role and https://workos.com/docs/reference/roles/permission */
export function roleRoutes(app: FastifyInstance, roles: Roles): void {
  app.post('/authorization/permissions', async ({ body }, reply) => {
    const { resource_type_slug: resourceType, ...wanted } = parsed(creation, body);
    return reply.status(201).send(roles.createPermission({ ...wanted, resourceType }));
  });
  app.get('/authorization/permissions', async ({ query }) => listOf(roles.permissions(), query));
  app.post('/authorization/roles', async ({ body }, reply) => {
    const { resource_type_slug: resourceType, ...wanted } = parsed(creation, body);
    return reply.status(201).send(roles.createRole({ ...wanted, resourceType }));
  });
  app.get('/authorization/roles', async () => ({ object: 'list', data: roles.roles() }));
  type One = { Params: { slug: string } };
  app.put<One>('/authorization/roles/:slug/permissions', async ({ params, body }) =>
    roles.setPermissions(params.slug, parsed(z.object({ permissions: z.array(z.string()) }), body).permissions),
  );
  app.post<One>('/authorization/roles/:slug/permissions', async ({ params, body }) =>
    roles.addPermission(params.slug, parsed(z.object({ slug: z.string() }), body).slug),
  );
}
