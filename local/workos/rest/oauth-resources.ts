import type { FastifyInstance } from 'fastify';
import type { OAuthResources } from '../directory/oauth-resources.ts';
import { listOf } from './lists.ts';

/** The API's published specification lacks these paths. docs/workos-notes.md quotes WorkOS's reference. */
export function oauthResourceRoutes(app: FastifyInstance, resources: OAuthResources): void {
  app.post<{ Body: { uri?: unknown; default?: unknown } | undefined }>('/user_management/authkit_oauth_resources', async (request, reply) =>
    reply.status(201).send(resources.create(request.body?.uri, request.body?.default)),
  );
  app.get('/user_management/authkit_oauth_resources', async (request) => listOf(resources.all(), request.query));
  app.delete<{ Params: { id: string } }>('/user_management/authkit_oauth_resources/:id', async ({ params }, reply) => {
    resources.delete(params.id);
    return reply.status(204).send();
  });
}
