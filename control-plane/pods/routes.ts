import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Tenant } from '../../crds/tenant.ts';
import { operation } from '../http/operation.ts';
import type { OAuthKeys } from '../identity/oauth-keys.ts';
import type { Memberships } from '../memberships/memberships.ts';
import type { PodIdentity } from './identity.ts';
import { accessOf, type ToolAccessByRole, toolAccess } from './tool-access.ts';

const user = z.object({ userId: z.string().max(200).describe("`sub` of the user's token.") });
const membership = z.union([
  z.object({
    member: z.literal(true),
    role: z.string().describe('Slug of the primary role.'),
    permissions: z.array(z.string()),
    access: toolAccess.describe('Tools that the roles allow: none, only tools that read, or all.'),
  }),
  z.object({ member: z.literal(false) }),
]);
const keySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });

/** The routes for sidecars: the keys of users' tokens, and the membership of a user in the tenant's organization. */
export function podRoutes(
  server: FastifyInstance,
  identity: PodIdentity,
  memberships: Pick<Memberships, 'lookup'>,
  accessByRole: ToolAccessByRole,
  keys: OAuthKeys,
): void {
  const app = server.withTypeProvider<ZodTypeProvider>();
  const tenants = new WeakMap<FastifyRequest, Tenant>();
  const onRequest = async (request: FastifyRequest) => {
    tenants.set(request, await identity.identify(request));
  };
  const route = { caller: 'pod', tags: ['pods'], problems: ['identity-provider-unavailable', 'too-many-requests'] } as const;

  app.get(
    '/pods/v1/jwks',
    {
      onRequest,
      schema: operation({
        ...route,
        operationId: 'getUserKeys',
        summary: "Keys of the users' tokens",
        description: 'The keys of the AuthKit domain, at most a minute old. While the domain does not answer, the last known keys.',
        response: { 200: keySet },
      }),
    },
    async (_request, reply) => reply.header('cache-control', 'max-age=300').send(await keys.current()),
  );

  app.get(
    '/pods/v1/members/:userId',
    {
      onRequest,
      schema: operation({
        ...route,
        operationId: 'getMember',
        summary: "Check whether a user is a member of the pod's tenant",
        description:
          'The token decides the tenant. A subject that is not a user, such as an application, is not a member of any organization.',
        params: user,
        response: { 200: membership },
      }),
    },
    async (request, reply) => {
      const organizationId = tenants.get(request)?.spec.organizationId;
      const { userId } = request.params;
      // A subject that is not a user, such as an application, is not a member of any organization.
      const asked = organizationId !== undefined && /^user_[A-Za-z0-9]+$/.test(userId);
      const found = asked ? await memberships.lookup(userId, organizationId) : { member: false as const };
      const answer = found.member
        ? { member: true as const, role: found.role, permissions: [], access: accessOf(found.roles, accessByRole) }
        : found;
      return reply.header('cache-control', 'no-store').send(answer);
    },
  );
}
