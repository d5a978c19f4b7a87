import type { FastifyInstance } from 'fastify';
import type { Directory } from '../directory.ts';
import { listOf } from './lists.ts';

/** The API's published specification lacks these paths: docs/workos-notes.md has what WorkOS's reference says of them. */
export function oauthResourceRoutes(app: FastifyInstance, directory: Directory): void {
  app.post<{ Body: { uri?: unknown; default?: unknown } | undefined }>('/user_management/authkit_oauth_resources', async (request, reply) =>
    reply.status(201).send(directory.createResource(request.body?.uri, request.body?.default)),
  );
  app.get('/user_management/authkit_oauth_resources', async (request) => listOf(directory.resources(), request.query));
  app.delete<{ Params: { id: string } }>('/user_management/authkit_oauth_resources/:id', async ({ params }, reply) => {
    directory.deleteResource(params.id);
    return reply.status(204).send();
  });
}
