import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import type { Membership } from '../state/records.ts';
import { Refusal } from '../state/refusal.ts';
import { listOf, parsed } from './lists.ts';

const creation = z.object({ user_id: z.string(), organization_id: z.string(), role_slug: z.string().optional() });
const change = z.object({ role_slug: z.string().optional() });
const filter = z.object({
  user_id: z.string().optional(),
  organization_id: z.string().optional(),
  // The SDK joins them with commas. The API also accepts a repeated parameter.
  statuses: z.union([z.string(), z.array(z.string())]).optional(),
});

/** https://workos.com/docs/reference/authkit/organization-membership */
export function membershipRoutes(app: FastifyInstance, { memberships, users, organizations }: Directory): void {
  const withUser = (membership: Membership) => ({ ...membership, user: users.one(membership.user_id) });

  app.post('/user_management/organization_memberships', async (request, reply) => {
    const wanted = parsed(creation, request.body);
    const { user_id: userId, organization_id: organizationId } = wanted;
    const membership = memberships.create(users.one(userId), organizations.one(organizationId), {
      userId,
      organizationId,
      roleSlug: wanted.role_slug,
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
    const page = listOf(memberships.all({ userId: wanted.user_id, organizationId: wanted.organization_id, statuses }), request.query);
    return { ...page, data: page.data.map(withUser) };
  });
  type One = { Params: { id: string } };
  const one = '/user_management/organization_memberships/:id';
  app.put<One>(one, async ({ params, body }) => {
    const { role_slug: slug } = parsed(change, body);
    return withUser(slug === undefined ? memberships.one(params.id) : memberships.setRole(params.id, slug));
  });
  app.delete<One>(one, async ({ params }, reply) => {
    memberships.delete(params.id);
    return reply.status(200).send();
  });
}
