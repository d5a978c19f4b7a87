import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type Addressing, endpointsOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { Access } from '../access/access.ts';
import { clientConfigurations } from '../client/connections.ts';
import { operation } from '../http/operation.ts';
import { byName } from './parameters.ts';
import type { Tenants } from './tenants.ts';

const configuration = z
  .object({
    client: z.string().describe('Program that connects.'),
    where: z.string().describe('Where to paste the text: a file or the shell.'),
    text: z.string().describe('Text to paste.'),
  })
  .meta({ id: 'ClientConfiguration' });

const connection = z
  .object({
    mcp: z.string().describe('URL that LLM clients connect to.'),
    api: z.string().optional().describe('URL of the REST API, if the template publishes it.'),
    metadata: z.string().describe('Protected resource metadata (RFC 9728).'),
    domains: z.array(z.string()).describe('URLs of the same MCP endpoint at verified custom host names.'),
    clients: z.array(configuration),
  })
  .meta({ id: 'Connection' });

/** The routes for URLs and configurations of LLM clients. */
export function connectionRoutes(server: FastifyInstance, access: Access, tenants: Tenants, addressing: Addressing): void {
  const app = server.withTypeProvider<ZodTypeProvider>();
  app.get(
    '/admin/tenants/:name/connect',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'connectTenant',
        tags: ['tenants'],
        summary: 'Read the URLs of a tenant and configurations for LLM clients',
        description:
          'The configurations use a verified custom host name if there is one. Without an organization they use API keys in place of a sign-in. They contain no secrets.',
        params: byName,
        response: { 200: connection },
        problems: ['tenant-not-found'],
      }),
    },
    async (request, reply) => {
      const tenant = await tenants.get(access.admin(request), request.params.name);
      const { mcp, api, metadata } = await endpoints(tenant);
      const domains = (tenant.status?.domains ?? []).flatMap(({ state, mcp: url }) =>
        state === 'Verified' && url !== undefined ? [url] : [],
      );
      const { name } = tenant.metadata;
      const clients = clientConfigurations({
        name,
        mcpUrl: domains[0] ?? mcp,
        auth: (tenant.spec.organizationId ?? tenant.spec.organization) === undefined ? 'api-key' : 'oauth',
        setKey: `read -rs KEY  # an API key of ${name}`,
      });
      return reply.send({ mcp, ...(api === undefined ? {} : { api }), metadata, domains, clients });
    },
  );

  /** URLs from the status, or the same URLs before the operator has written them. */
  async function endpoints(tenant: Tenant) {
    const published = tenant.status?.endpoints;
    if (published !== undefined) return published;
    return endpointsOf(tenant.metadata.name, addressing, (await tenants.templateOf(tenant))?.spec.publicApi ?? false);
  }
}
