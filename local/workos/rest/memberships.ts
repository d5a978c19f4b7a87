import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory.ts';
import type { Membership } from '../records.ts';
import { Refusal } from '../refusal.ts';
import { listOf, parsed } from './lists.ts';

const creation = z.object({
  user_id: z.string(),
  organization_id: z.string(),
  role_slug: z.string().optional(),
  role_slugs: z.array(z.string()).max(1).optional(),
});
const change = z.object({ role_slug: z.string() });
const filter = z.object({
  user_id: z.string().optional(),
  organization_id: z.string().optional(),
  // The SDK joins them with commas; the API also takes the parameter repeatedly.
  statuses: z.union([z.string(), z.array(z.string())]).optional(),
});

/** https://workos.com/docs/reference/authkit/organization-membership */
export function membershipRoutes(app: FastifyInstance, directory: Directory): void {
  const withUser = (membership: Membership) => ({ ...membership, user: directory.user(membership.user_id) });

  app.post('/user_management/organization_memberships', async (request, reply) => {
    const wanted = parsed(creation, request.body);
    const membership = directory.createMembership({
      userId: wanted.user_id,
      organizationId: wanted.organization_id,
      roleSlug: wanted.role_slug ?? wanted.role_slugs?.[0],
    });
    return reply.status(201).send(withUser(membership));
  });
  app.get('/user_management/organization_memberships', async (request) => {
    const wanted = parsed(filter, request.query);
    if (wanted.user_id === undefined && wanted.organization_id === undefined) {
      throw new Refusal(400, {
        code: 'missing_user_id_or_organization_id',
        message: 'Either user_id or organization_id must be provided.',
      });
    }
    const statuses = wanted.statuses === undefined ? ['active'] : [wanted.statuses].flat().flatMap((part) => part.split(','));
    return listOf(
      directory.memberships({ userId: wanted.user_id, organizationId: wanted.organization_id, statuses }).map(withUser),
      request.query,
    );
  });
  const one = '/user_management/organization_memberships/:id';
  app.get<{ Params: { id: string } }>(one, async ({ params }) => withUser(directory.membership(params.id)));
  app.put<{ Params: { id: string } }>(one, async ({ params, body }) =>
    withUser(directory.setMembershipRole(params.id, parsed(change, body).role_slug)),
  );
  app.delete<{ Params: { id: string } }>(one, async ({ params }, reply) => {
    directory.deleteMembership(params.id);
    return reply.status(204).send();
  });
  app.put<{ Params: { id: string } }>(`${one}/deactivate`, async ({ params }) =>
    withUser(directory.setMembershipStatus(params.id, 'inactive')),
  );
  app.put<{ Params: { id: string } }>(`${one}/reactivate`, async ({ params }) =>
    withUser(directory.setMembershipStatus(params.id, 'active')),
  );
}
