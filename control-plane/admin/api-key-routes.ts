import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type ApiKey, apiKeyLimit, apiKeyScopes } from '../../crds/api-keys.ts';
import { lineOf } from '../../crds/schema.ts';
import type { Access } from '../access/access.ts';
import type { ApiKeyUsage } from '../audit/api-key-usage.ts';
import { operation } from '../http/operation.ts';
import { invalid } from '../http/problem.ts';
import type { ApiKeys } from './api-keys.ts';
import { byApiKey, byName } from './parameters.ts';
import type { Tenants } from './tenants.ts';

const tags = ['api keys'];

const newApiKey = z
  .strictObject({
    name: lineOf(100).min(1).describe('Name shown to people.'),
    scopes: z
      .array(z.enum(apiKeyScopes))
      .min(1)
      .max(apiKeyScopes.length)
      .refine((scopes) => new Set(scopes).size === scopes.length, 'must list each scope only once')
      .describe('Permissions of the key. `mcp:read` and `api:read` cannot change anything; `probe` can only list tools.')
      .meta({ uniqueItems: true }),
    expiresAt: z.iso.datetime({ offset: true }).optional().describe('Time when the key expires; never when left out.'),
  })
  .meta({ id: 'NewApiKey', examples: [{ name: 'nightly export', scopes: ['api:read'], expiresAt: '2030-01-01T00:00:00Z' }] });

const fields = {
  id: z.string().describe('Id of the key, which is its public part.'),
  prefix: z.string().describe('Beginning of the key.'),
  name: z.string(),
  scopes: z.array(z.enum(apiKeyScopes)),
  createdAt: z.string().meta({ format: 'date-time' }),
  createdBy: z.string().optional().describe('User who created the key.'),
  expiresAt: z.string().optional().describe('Time when the key expires.').meta({ format: 'date-time' }),
  lastUsedAt: z.string().optional().describe('Time of the last use; absent if the key was never used.').meta({ format: 'date-time' }),
};
const apiKey = z.object(fields).meta({ id: 'ApiKey' });
const createdApiKey = z
  .object({ ...fields, key: z.string().describe('The key itself. It is shown only once and stored nowhere.') })
  .meta({ id: 'CreatedApiKey' });

/** The routes for API keys of a tenant, which machines use. */
export function apiKeyRoutes(
  server: FastifyInstance,
  access: Access,
  tenants: Tenants,
  apiKeys: ApiKeys,
  usage: ApiKeyUsage,
  now: () => Date,
): void {
  const app = server.withTypeProvider<ZodTypeProvider>();

  app.get(
    '/admin/tenants/:name/api-keys',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'listApiKeys',
        tags,
        summary: 'List the API keys of a tenant',
        description: 'Lists ids, scopes and the last use. The keys themselves are stored nowhere.',
        params: byName,
        response: { 200: z.object({ items: z.array(apiKey) }).meta({ id: 'ApiKeyList' }) },
        problems: ['tenant-not-found'],
      }),
    },
    async (request, reply) => {
      const tenant = await tenants.get(access.admin(request), request.params.name);
      const [keys, used] = await Promise.all([apiKeys.list(tenant), usage.lastUses(tenant.metadata.uid ?? '')]);
      return reply.send({ items: keys.map((key) => represent(key, used.get(key.spec.keyId))) });
    },
  );

  app.post(
    '/admin/tenants/:name/api-keys',
    {
      onRequest: access.allow('tenants:write', 'apikeys.create'),
      schema: operation({
        operationId: 'createApiKey',
        tags,
        summary: 'Create an API key',
        description: `The answer has the key. It is shown only once, and it works within seconds. A tenant may have ${apiKeyLimit} keys.`,
        params: byName,
        body: newApiKey,
        response: { 201: createdApiKey },
        problems: ['tenant-not-found', 'tenant-deleting', 'tenant-not-ready', 'api-key-limit-reached'],
      }),
    },
    async (request, reply) => {
      const admin = access.admin(request);
      const { expiresAt } = request.body;
      if (expiresAt !== undefined && Date.parse(expiresAt) <= now().getTime())
        throw invalid([{ pointer: '/expiresAt', message: 'must be in the future' }]);
      const tenant = await tenants.staying(admin, request.params.name);
      const { object, key } = await access.perform(
        request,
        { action: 'apikeys.create', tenant, details: request.body },
        () => apiKeys.create(tenant, request.body, admin.userId),
        ({ object }) => ({ details: { id: object.spec.keyId } }),
      );
      return reply.status(201).send({ ...represent(object, undefined), key });
    },
  );

  app.delete(
    '/admin/tenants/:name/api-keys/:id',
    {
      onRequest: access.allow('tenants:write', 'apikeys.revoke'),
      schema: operation({
        operationId: 'revokeApiKey',
        tags,
        summary: 'Revoke an API key',
        description: 'A revoked key cannot be restored and is no longer listed. Its actions stay in the audit.',
        params: byApiKey,
        response: { 204: z.null().describe('The key is revoked. Pods refuse it within seconds.') },
        problems: ['tenant-not-found', 'api-key-not-found'],
      }),
    },
    async (request, reply) => {
      const { name, id } = request.params;
      const tenant = await tenants.get(access.admin(request), name);
      await access.perform(request, { action: 'apikeys.revoke', tenant, details: { id } }, () => apiKeys.revoke(tenant, id));
      return reply.status(204).send(null);
    },
  );
}

function represent({ metadata, spec }: ApiKey, lastUsedAt: Date | undefined): z.infer<typeof apiKey> {
  const { keyId, displayName, scopes, expiresAt, createdBy } = spec;
  return {
    id: keyId,
    prefix: `tnt_${keyId}`,
    name: displayName,
    scopes,
    createdAt: metadata.creationTimestamp ?? '',
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: lastUsedAt.toISOString() }),
  };
}
