import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Applications } from '../directory/applications.ts';
import type { ApplicationSecret } from '../state/records.ts';
import { listOf, parsed } from './lists.ts';

const redirectUris = z.array(z.object({ uri: z.string(), default: z.boolean().nullish() })).nullish();
const common = { description: z.string().nullish(), scopes: z.array(z.string()).nullish() };
const creation = z.discriminatedUnion('application_type', [
  z.object({
    ...common,
    name: z.string().min(1),
    application_type: z.literal('oauth'),
    redirect_uris: redirectUris,
    uses_pkce: z.boolean().nullish(),
    is_first_party: z.boolean(),
    organization_id: z.string().nullish(),
  }),
  z.object({ ...common, name: z.string().min(1), application_type: z.literal('m2m'), organization_id: z.string() }),
]);
const change = z.object({ ...common, name: z.string().min(1).optional(), redirect_uris: redirectUris });

/** https://workos.com/docs/reference/workos-connect/applications */
export function applicationRoutes(app: FastifyInstance, applications: Applications): void {
  type One = { Params: { id: string } };
  const one = '/connect/applications/:id';
  app.post('/connect/applications', async ({ body }, reply) => {
    const wanted = parsed(creation, body);
    const { name, description, scopes } = wanted;
    const application =
      wanted.application_type === 'm2m'
        ? applications.create({ type: 'm2m', name, description, scopes, organizationId: wanted.organization_id })
        : applications.create({
            type: 'oauth',
            name,
            description,
            scopes,
            redirectUris: wanted.redirect_uris,
            usesPkce: wanted.uses_pkce,
            firstParty: wanted.is_first_party,
            organizationId: wanted.organization_id,
          });
    return reply.status(201).send(application);
  });
  app.get('/connect/applications', async ({ query }) => {
    const { organization_id: organizationId } = parsed(z.object({ organization_id: z.string().optional() }), query);
    const wanted = applications.all().filter((one) => organizationId === undefined || one.organization_id === organizationId);
    return listOf(wanted, query);
  });
  app.get<One>(one, async ({ params }) => applications.one(params.id));
  app.put<One>(one, async ({ params, body }) => {
    const { redirect_uris: uris, name, ...wanted } = parsed(change, body);
    return applications.update(params.id, { ...wanted, ...(name === undefined ? {} : { name }), redirectUris: uris });
  });
  app.delete<One>(one, async ({ params }, reply) => {
    applications.delete(params.id);
    return reply.status(204).send();
  });
  app.get<One>(`${one}/client_secrets`, async ({ params }) => applications.secrets(applications.one(params.id).id).map(shown));
  app.post<One>(`${one}/client_secrets`, async ({ params }, reply) => {
    const { kept, secret } = applications.addSecret(params.id);
    return reply.status(201).send({ ...shown(kept), secret });
  });
  app.delete<One>('/connect/client_secrets/:id', async ({ params }, reply) => {
    applications.deleteSecret(params.id);
    return reply.status(204).send();
  });
}

const shown = ({ sha256: _hash, application_id: _application, ...secret }: ApplicationSecret) => secret;
