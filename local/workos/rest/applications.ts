import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Applications } from '../directory/applications.ts';
import { parsed } from './lists.ts';

const creation = z.object({
  name: z.string().min(1),
  description: z.string().nullish(),
  scopes: z.array(z.string()).nullish(),
  application_type: z.literal('m2m'),
  organization_id: z.string(),
});

/** https://workos.com/docs/reference/workos-connect/applications */
export function applicationRoutes(app: FastifyInstance, applications: Applications): void {
  app.post('/connect/applications', async ({ body }, reply) => {
    const { organization_id: organizationId, application_type: _type, ...wanted } = parsed(creation, body);
    return reply.status(201).send(applications.create({ ...wanted, organizationId }));
  });
  app.post<{ Params: { id: string } }>('/connect/applications/:id/client_secrets', async ({ params }, reply) => {
    const { kept, secret } = applications.addSecret(params.id);
    const { sha256: _hash, application_id: _application, ...shown } = kept;
    return reply.status(201).send({ ...shown, secret });
  });
}
