import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory.ts';
import { notFound } from '../refusal.ts';
import { listOf, parsed } from './lists.ts';

const body = z.object({
  name: z.string().min(1),
  external_id: z.string().max(128).nullish(),
  metadata: z.record(z.string().max(40), z.string().max(600)).nullish(),
  domain_data: z.array(z.object({ domain: z.string() })).optional(),
});
const filter = z.object({ domains: z.string().optional(), search: z.string().optional() });

/** https://workos.com/docs/reference/organization */
export function organizationRoutes(app: FastifyInstance, directory: Directory): void {
  app.post('/organizations', async (request, reply) => {
    const wanted = parsed(body, request.body);
    return reply.status(201).send(
      directory.createOrganization({
        name: wanted.name,
        externalId: wanted.external_id,
        metadata: wanted.metadata ?? undefined,
        domains: wanted.domain_data?.map(({ domain }) => domain),
      }),
    );
  });
  app.get('/organizations', async (request) => {
    const { domains, search } = parsed(filter, request.query);
    const wanted = domains?.split(',');
    return listOf(
      directory
        .organizations()
        .filter((organization) => wanted === undefined || organization.domains.some(({ domain }) => wanted.includes(domain)))
        .filter((organization) => search === undefined || organization.name.toLowerCase().includes(search.toLowerCase())),
      request.query,
    );
  });
  app.get<{ Params: { id: string } }>('/organizations/:id', async ({ params }) => directory.organization(params.id));
  app.get<{ Params: { id: string } }>('/organizations/external_id/:id', async ({ params }) => {
    const found = directory.organizations().find((organization) => organization.external_id === params.id);
    if (found === undefined) throw notFound('Organization', params.id);
    return found;
  });
  app.delete<{ Params: { id: string } }>('/organizations/:id', async ({ params }, reply) => {
    directory.deleteOrganization(params.id);
    return reply.status(202).send();
  });
}
