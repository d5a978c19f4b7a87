import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Organizations } from '../directory/organizations.ts';
import { notFound } from '../state/refusal.ts';
import { listOf, parsed } from './lists.ts';

const ascii = z.string().regex(/^[\x20-\x7e]*$/, 'ascii_only');
const common = {
  external_id: z.string().max(128).nullish(),
  // https://workos.com/docs/authkit/metadata
  metadata: z
    .record(ascii.max(40), ascii.max(600).nullable())
    .refine((pairs) => Object.keys(pairs).length <= 50, 'too_many')
    .nullish(),
};
const creation = z.object({ name: z.string().min(1), ...common });
const change = z.object({ name: z.string().min(1).optional(), ...common });

/** https://workos.com/docs/reference/organization */
export function organizationRoutes(app: FastifyInstance, organizations: Organizations): void {
  type One = { Params: { id: string } };
  app.post('/organizations', async ({ body }, reply) => {
    const wanted = parsed(creation, body);
    return reply.status(201).send(organizations.create({ name: wanted.name, ...rest(wanted) }));
  });
  app.get('/organizations', async ({ query }) => listOf(organizations.all(), query));
  app.get<One>('/organizations/:id', async ({ params }) => organizations.one(params.id));
  app.put<One>('/organizations/:id', async ({ params, body }) => {
    const wanted = parsed(change, body);
    return organizations.update(params.id, { ...(wanted.name === undefined ? {} : { name: wanted.name }), ...rest(wanted) });
  });
  app.get<One>('/organizations/external_id/:id', async ({ params }) => {
    const found = organizations.byExternalId(params.id);
    if (found === undefined) throw notFound('Organization', params.id);
    return found;
  });
  app.delete<One>('/organizations/:id', async ({ params }, reply) => {
    organizations.delete(params.id);
    return reply.status(202).send();
  });
}

function rest(wanted: z.infer<typeof change>) {
  return {
    externalId: wanted.external_id,
    metadata: wanted.metadata ?? undefined,
  };
}
