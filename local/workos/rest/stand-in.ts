import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Registration } from '../oauth/registration.ts';
import { type Outages, outageKinds } from '../state/outages.ts';
import { parsed } from './lists.ts';

const outage = z.object({ kind: z.enum(outageKinds), seconds: z.number().min(0).max(3600) });

const switches = z.object({ cimd: z.boolean().optional(), dcr: z.boolean().optional() });

interface Parts {
  readonly outages: Outages;
  readonly registration: Registration;
}

/** Routes that only the stand-in has, for tests in another process. They work during outages. */
export function standInRoutes(app: FastifyInstance, { outages, registration }: Parts): void {
  app.post('/stand-in/outage', async ({ body }, reply) => {
    const { kind, seconds } = parsed(outage, body);
    outages.begin(kind, seconds);
    return reply.status(204).send();
  });
  app.post('/stand-in/registration', async ({ body }) => registration.set(parsed(switches, body)));
}
