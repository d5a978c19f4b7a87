import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory.ts';
import { listOf, parsed } from './lists.ts';

const body = z.object({
  email: z.email(),
  password: z.string().nullish(),
  first_name: z.string().nullish(),
  last_name: z.string().nullish(),
  email_verified: z.boolean().nullish(),
  external_id: z.string().max(128).nullish(),
});
const filter = z.object({ email: z.string().optional(), organization_id: z.string().optional() });

/** https://workos.com/docs/reference/authkit/user */
export function userRoutes(app: FastifyInstance, directory: Directory): void {
  app.post('/user_management/users', async (request, reply) => {
    const wanted = parsed(body, request.body);
    const user = await directory.createUser({
      email: wanted.email,
      password: wanted.password ?? undefined,
      firstName: wanted.first_name,
      lastName: wanted.last_name,
      externalId: wanted.external_id,
      emailVerified: wanted.email_verified ?? false,
    });
    return reply.status(201).send(user);
  });
  app.get('/user_management/users', async (request) => {
    const { email, organization_id: organizationId } = parsed(filter, request.query);
    return listOf(
      directory
        .users()
        .filter((user) => email === undefined || user.email === email.toLowerCase())
        .filter((user) => organizationId === undefined || directory.memberships({ userId: user.id, organizationId }).length > 0),
      request.query,
    );
  });
  app.get<{ Params: { id: string } }>('/user_management/users/:id', async ({ params }) => directory.user(params.id));
  app.delete<{ Params: { id: string } }>('/user_management/users/:id', async ({ params }, reply) => {
    directory.deleteUser(params.id);
    return reply.status(204).send();
  });
}
