import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Origins } from '../directory/origins.ts';
import { Refusal } from '../state/refusal.ts';
import { parsed } from './lists.ts';

/** https://workos.com/docs/reference/authkit/redirect-uri and .../cors-origin; the API can only add entries. */
export function originRoutes(app: FastifyInstance, origins: Origins): void {
  app.post('/user_management/redirect_uris', async ({ body }, reply) =>
    reply.status(201).send(origins.addRedirectUri(parsed(z.object({ uri: z.string() }), body).uri)),
  );
  app.post('/user_management/cors_origins', async ({ body }, reply) => {
    const wanted = z.object({ origin: z.string() }).safeParse(body);
    if (!wanted.success) {
      const constraints = { isString: 'origin must be a string' };
      throw new Refusal(422, { message: 'Validation failed.', errors: [{ property: 'origin', constraints }] });
    }
    return reply.status(201).send(origins.addCorsOrigin(wanted.data.origin));
  });
}

/** Sets CORS headers, so that scripts of the added origins can read the answers. */
export function allowOrigins(app: FastifyInstance, origins: Origins): void {
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers;
    if (origin === undefined || !origins.allowsOrigin(origin)) return;
    reply.header('access-control-allow-origin', origin).header('vary', 'origin');
    if (request.method !== 'OPTIONS') return;
    return reply
      .header('access-control-allow-methods', 'GET, POST, PUT, PATCH, DELETE')
      .header('access-control-allow-headers', 'authorization, content-type')
      .status(204)
      .send();
  });
}
