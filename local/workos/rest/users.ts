import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Users } from '../directory/users.ts';
import { parsed } from './lists.ts';

const creation = z.object({
  email: z.email(),
  password: z.string().nullish(),
  first_name: z.string().nullish(),
  last_name: z.string().nullish(),
  email_verified: z.boolean().nullish(),
});

/** https://workos.com/docs/reference/authkit/user */
export function userRoutes(app: FastifyInstance, users: Users): void {
  app.post('/user_management/users', async ({ body }, reply) => {
    const wanted = parsed(creation, body);
    const user = await users.create({
      email: wanted.email,
      password: wanted.password ?? undefined,
      firstName: wanted.first_name,
      lastName: wanted.last_name,
      emailVerified: wanted.email_verified ?? false,
    });
    return reply.status(201).send(user);
  });
}
