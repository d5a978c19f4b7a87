import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import { notFound } from '../state/refusal.ts';
import { listOf, parsed } from './lists.ts';

const common = {
  password: z.string().nullish(),
  first_name: z.string().nullish(),
  last_name: z.string().nullish(),
  email_verified: z.boolean().nullish(),
  external_id: z.string().max(128).nullish(),
  metadata: z.record(z.string().max(40), z.string().max(600).nullable()).nullish(),
};
const creation = z.object({ email: z.email(), ...common });
const change = z.object({ email: z.email().optional(), locale: z.string().nullish(), ...common });
const filter = z.object({ email: z.string().optional(), organization_id: z.string().optional(), organization: z.string().optional() });

/** https://workos.com/docs/reference/authkit/user */
export function userRoutes(app: FastifyInstance, { users, memberships }: Directory): void {
  type One = { Params: { id: string } };
  const one = '/user_management/users/:id';
  app.post('/user_management/users', async ({ body }, reply) => {
    const wanted = parsed(creation, body);
    const user = await users.create({ email: wanted.email, ...rest(wanted), emailVerified: wanted.email_verified ?? false });
    return reply.status(201).send(user);
  });
  app.get('/user_management/users', async ({ query }) => {
    const wanted = parsed(filter, query);
    const organizationId = wanted.organization_id ?? wanted.organization;
    return listOf(
      users
        .all()
        .filter((user) => wanted.email === undefined || user.email === wanted.email.toLowerCase())
        .filter((user) => organizationId === undefined || memberships.all({ userId: user.id, organizationId }).length > 0),
      query,
    );
  });
  app.get<One>('/user_management/users/external_id/:id', async ({ params }) => {
    const found = users.byExternalId(params.id);
    if (found === undefined) throw notFound('User', params.id);
    return found;
  });
  app.get<One>(one, async ({ params }) => users.one(params.id));
  app.put<One>(one, async ({ params, body }) => {
    const wanted = parsed(change, body);
    return users.update(params.id, {
      ...(wanted.email === undefined ? {} : { email: wanted.email }),
      ...rest(wanted),
      locale: wanted.locale,
    });
  });
  app.delete<One>(one, async ({ params }, reply) => {
    users.delete(params.id);
    return reply.status(200).send();
  });
}

function rest(wanted: Omit<z.infer<typeof change>, 'email' | 'locale'>) {
  return {
    password: wanted.password ?? undefined,
    firstName: wanted.first_name,
    lastName: wanted.last_name,
    emailVerified: wanted.email_verified ?? undefined,
    externalId: wanted.external_id,
    metadata: wanted.metadata ?? undefined,
  };
}
