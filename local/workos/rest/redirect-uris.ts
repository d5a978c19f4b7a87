import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { RedirectUris } from '../directory/redirect-uris.ts';
import { parsed } from './lists.ts';

/** https://workos.com/docs/reference/authkit/redirect-uri */
export function redirectUriRoutes(app: FastifyInstance, redirectUris: RedirectUris): void {
  app.post('/user_management/redirect_uris', async ({ body }, reply) =>
    reply.status(201).send(redirectUris.add(parsed(z.object({ uri: z.string() }), body).uri)),
  );
}
