import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Roles } from '../directory/roles.ts';
import { parsed } from './lists.ts';

const creation = z.object({
  slug: z.string().min(1).max(48),
  name: z.string().min(1).max(48),
  description: z.string().max(150).nullish(),
  resource_type_slug: z.string().max(48).optional(),
});
const change = z.object({ name: z.string().min(1).max(48).optional(), description: z.string().max(150).nullish() });

/** https://workos.com/docs/reference/roles/role. Only the dashboard can delete a role of the environment. */
export function roleRoutes(app: FastifyInstance, roles: Roles): void {
  type One = { Params: { slug: string } };
  const one = '/authorization/roles/:slug';
  app.post('/authorization/roles', async ({ body }, reply) => {
    const { resource_type_slug: resourceType, ...wanted } = parsed(creation, body);
    return reply.status(201).send(roles.createRole({ ...wanted, resourceType }));
  });
  app.get('/authorization/roles', async () => ({ object: 'list', data: roles.roles() }));
  app.get<One>(one, async ({ params }) => roles.role(params.slug));
  app.patch<One>(one, async ({ params, body }) => roles.updateRole(params.slug, parsed(change, body)));
  app.put<One>(`${one}/permissions`, async ({ params, body }) =>
    roles.setPermissions(params.slug, parsed(z.object({ permissions: z.array(z.string()) }), body).permissions),
  );
  app.post<One>(`${one}/permissions`, async ({ params, body }) =>
    roles.addPermission(params.slug, parsed(z.object({ slug: z.string() }), body).slug),
  );
}
