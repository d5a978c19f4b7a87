import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Addressing } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import { codeOf } from '../errors/problem-of.ts';
import { operation } from '../http/operation.ts';
import type { RateLimits } from '../http/rate-limits.ts';
import { unauthenticated } from '../identity/unauthenticated.ts';
import type { Memberships } from '../memberships/memberships.ts';
import type { Callers } from './callers.ts';
import { type Caller, type Entry, entriesOf, entryOf, organizationsOf, scopeOf } from './resolve.ts';

const entry = z
  .object({
    name: z.string(),
    displayName: z.string().describe('Name shown to people.'),
    organizationId: z.string().optional(),
    mcp: z.string().describe('URL that LLM clients connect to.'),
    role: z.string().optional().describe("Slug of the user's role; absent when the user is not a member."),
  })
  .meta({ id: 'TenantEntry' });

const resolution = z
  .union([
    z.object({ tenant: entry.describe("The user's only tenant, or the installation's default tenant.") }),
    z.object({ tenants: z.array(entry).describe('Tenants to choose from, by name.') }),
  ])
  .meta({ id: 'TenantResolution' });

export interface AuthTenantParts {
  readonly callers: Callers;
  readonly directory: Pick<TenantDirectory, 'list' | 'find'>;
  readonly memberships: Pick<Memberships, 'rolesIn'>;
  readonly limits: RateLimits;
  readonly addressing: Addressing;
  /** URL of the control plane, for which tokens may be issued. */
  readonly ownUrl: string | undefined;
  /** Name of the tenant for users who are not members of any. */
  readonly defaultTenant: string | undefined;
}

/** `GET /v1/auth/tenant`: the tenants of a signed-in user. It gives no access: each tenant checks its callers itself. */
export function authTenantRoutes(server: FastifyInstance, parts: AuthTenantParts): void {
  const { callers, directory, memberships, limits, addressing, ownUrl, defaultTenant } = parts;

  /** The caller, and the tenants that the token covers. */
  async function authenticate(request: FastifyRequest): Promise<{ caller: Caller; tenants: readonly Tenant[] }> {
    try {
      const caller = await callers.authenticate(request.headers.authorization);
      const scope = scopeOf(caller, await directory.list(), ownUrl);
      if (scope !== 'foreign') return { caller, tenants: scope.tenants };
    } catch (error) {
      if (codeOf(error) === 'unauthenticated') await limits.refused(request);
      throw error;
    }
    await limits.refused(request);
    const reason = 'the token was issued for another audience';
    throw unauthenticated(`Sign in again: ${reason}.`, reason);
  }

  async function defaultEntry(): Promise<Entry | undefined> {
    const tenant = defaultTenant === undefined ? undefined : await directory.find(defaultTenant);
    return tenant === undefined || tenant.metadata.deletionTimestamp !== undefined ? undefined : entryOf(tenant, undefined, addressing);
  }

  server.withTypeProvider<ZodTypeProvider>().get(
    '/v1/auth/tenant',
    {
      schema: operation({
        caller: 'user',
        operationId: 'findTenant',
        tags: ['sign-in'],
        summary: 'Find the tenant of a signed-in user',
        description: 'Requires an AuthKit session token, or an OAuth access token for the URL of a tenant or of the control plane.',
        response: { 200: resolution },
        problems: ['no-tenant'],
      }),
    },
    async (request, reply) => {
      const { caller, tenants } = await authenticate(request);
      await limits.count(reply, `sign-in/${caller.userId}`);
      const roles = await memberships.rolesIn(caller.userId, organizationsOf(caller, tenants));
      const entries = entriesOf(caller, tenants, roles, addressing);
      if (entries.length > 1) return reply.send({ tenants: entries });
      const tenant = entries[0] ?? (await defaultEntry());
      if (tenant === undefined) {
        throw new Problem('no-tenant', 'The user is not a member of any tenant.');
      }
      return reply.send({ tenant });
    },
  );
}
