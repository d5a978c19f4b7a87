import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { WebhookEndpoints } from '../webhooks/endpoints.ts';
import { listOf, parsed } from './lists.ts';

const creation = z.object({ endpoint_url: z.string(), events: z.array(z.string()) });
const change = z.object({
  endpoint_url: z.string().optional(),
  events: z.array(z.string()).optional(),
  status: z.enum(['enabled', 'disabled']).optional(),
});

/** https://workos.com/docs/reference/webhooks */
export function webhookEndpointRoutes(app: FastifyInstance, endpoints: WebhookEndpoints): void {
  app.post('/webhook_endpoints', async ({ body }, reply) => {
    const wanted = parsed(creation, body);
    return reply.status(201).send(endpoints.create(wanted.endpoint_url, wanted.events));
  });
  app.get('/webhook_endpoints', async ({ query }) => listOf(endpoints.all(), query));
  app.patch<{ Params: { id: string } }>('/webhook_endpoints/:id', async ({ params, body }) => {
    const { endpoint_url: url, ...wanted } = parsed(change, body);
    return endpoints.update(params.id, { url, ...wanted });
  });
}
