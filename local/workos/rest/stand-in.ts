import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Outages } from '../outages.ts';
import type { RequestLog } from '../request-log.ts';
import { parsed } from './lists.ts';

const outage = z.object({ kind: z.enum(['down', 'events', 'webhooks']), seconds: z.number().min(0).max(3600) });

/** What only the stand-in has, for tests in another process; works while everything else is made to fail. */
export function standInRoutes(app: FastifyInstance, outages: Outages, requests: RequestLog): void {
  app.post('/stand-in/outage', async ({ body }, reply) => {
    const { kind, seconds } = parsed(outage, body);
    outages.begin(kind, seconds);
    return reply.status(204).send();
  });
  app.get('/stand-in/requests', async () => requests.counts());
}
