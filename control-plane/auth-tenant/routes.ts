import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Addressing } from '../../crds/names.ts';
import { operation } from '../http/operation.ts';
import { Problem } from '../http/problem.ts';
import { ExpiringCache } from '../identity/expiring-cache.ts';
import { unauthenticated } from '../identity/unauthenticated.ts';
import type { MembershipSource } from '../memberships/source.ts';
import type { TenantDirectory } from '../tenant-directory.ts';
import type { Callers } from './callers.ts';
import { type Entry, entriesOf, entryOf, scopeOf } from './resolve.ts';

const entry = z
  .object({
    name: z.string(),
    displayName: z.string().describe('Name shown to people.'),
    organizationId: z.string().optional(),
    mcp: z.string().describe('URL that LLM clients connect to.'),
    role: z.string().optional().describe("Slug of the user's role; left out where the user is no member."),
  })
  .meta({ id: 'TenantEntry' });

const resolution = z
  .union([
    z.object({ tenant: entry.describe("The user's only tenant, or the installation's default one.") }),
    z.object({ tenants: z.array(entry).describe('Tenants to choose from, by name.') }),
  ])
  .meta({ id: 'TenantResolution' });

export interface AuthTenantParts {
  readonly callers: Callers;
  readonly directory: Pick<TenantDirectory, 'list' | 'find'>;
  readonly source: Pick<MembershipSource, 'activeOf'>;
  readonly addressing: Addressing;
  /** URL of the control plane itself that tokens may be issued for. */
  readonly ownUrl: string | undefined;
  /** Name of the tenant of users who are members of none. */
  readonly defaultTenant: string | undefined;
}

/** A user who has just signed in asks again and again while a page loads. */
const rolesMs = 10_000;

/** `GET /v1/auth/tenant`: which tenant somebody who has signed in belongs to. It opens nothing: each tenant checks its callers itself. */
export function authTenantRoutes(server: FastifyInstance, parts: AuthTenantParts): void {
  const { callers, directory, source, addressing, ownUrl, defaultTenant } = parts;
  const known = new ExpiringCache<ReadonlyMap<string, string>>();

  const rolesOf = (userId: string) =>
    known.get(
      userId,
      async () => new Map((await source.activeOf(userId)).map(({ organizationId, roles }) => [organizationId, roles[0] ?? ''])),
      () => rolesMs,
    );

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
        description: 'Takes an AuthKit session token, or an OAuth access token issued for the URL of a tenant or of the control plane.',
        response: { 200: resolution },
        problems: ['no-tenant'],
      }),
    },
    async (request, reply) => {
      const caller = await callers.authenticate(request.headers.authorization);
      const scope = scopeOf(caller, await directory.list(), ownUrl);
      if (scope === 'foreign') {
        const reason = 'the token was issued for another audience';
        throw unauthenticated(`Sign in again: ${reason}.`, reason);
      }
      const entries = entriesOf(caller, scope.tenants, await rolesOf(caller.userId), addressing);
      if (entries.length > 1) return reply.send({ tenants: entries });
      const tenant = entries[0] ?? (await defaultEntry());
      if (tenant === undefined) {
        throw new Problem('no-tenant', 'You are a member of no tenant here. Ask for an invitation to its organization.');
      }
      return reply.send({ tenant });
    },
  );
}
