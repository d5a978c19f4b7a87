import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { operation } from './http/operation.ts';

/** Where people sign in. Nothing in it is secret. */
export interface AuthConfig {
  /** Client ID of the WorkOS environment. */
  readonly clientId: string;
  /** Origin of WorkOS's API, which authorizes devices and refreshes sessions. */
  readonly workosUrl: string;
  /** Issuer of the session access tokens that the Admin API takes. */
  readonly sessionIssuer: string;
  /** The AuthKit domain, issuer of the tokens of tenants' users. */
  readonly authorizationServer: string;
}

const authConfig = z
  .object({
    clientId: z.string().describe('Client ID of the WorkOS environment.'),
    workosUrl: z.string().describe("Origin of WorkOS's API, which authorizes devices and refreshes sessions."),
    sessionIssuer: z.string().describe('Issuer of the session access tokens that the Admin API takes.'),
    authorizationServer: z.string().describe("The AuthKit domain, issuer of the tokens of tenants' users."),
  })
  .meta({ id: 'AuthConfig' });

/** `GET /v1/auth/config`: the configuration that a command line needs before sign-in. */
export function authConfigRoute(server: FastifyInstance, config: AuthConfig): void {
  server.withTypeProvider<ZodTypeProvider>().get(
    '/v1/auth/config',
    {
      schema: operation({
        caller: 'anybody',
        operationId: 'getAuthConfig',
        tags: ['sign-in'],
        summary: 'Read where administrators sign in',
        description: 'Needs no token, because clients read it before they sign in.',
        response: { 200: authConfig },
        problems: [],
      }),
    },
    async (_request, reply) => reply.header('cache-control', 'public, max-age=300').send(config),
  );
}
