import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import type { Membership } from '../state/records.ts';
import { Refusal } from '../state/refusal.ts';
import { listOf, parsed } from './lists.ts';

const roles = { role_slug: z.string().optional(), role_slugs: z.array(z.string()).min(1).optional() };
const creation = z.object({ user_id: z.string(), organization_id: z.string(), ...roles });
const change = z.object(roles);
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
      roleSlug: roleIn(wanted),
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
  app.get<One>(one, async ({ params }) => withUser(memberships.one(params.id)));
  app.put<One>(one, async ({ params, body }) => {
    const role = roleIn(parsed(change, body));
    return withUser(role === undefined ? memberships.one(params.id) : memberships.setRole(params.id, role));
  });
  app.delete<One>(one, async ({ params }, reply) => {
    memberships.delete(params.id);
    return reply.status(200).send();
  });
  app.put<One>(`${one}/deactivate`, async ({ params }) => withUser(memberships.deactivate(params.id)));
  app.put<One>(`${one}/reactivate`, async ({ params }) => withUser(memberships.reactivate(params.id)));
}

function roleIn({ role_slug: one, role_slugs: several }: z.infer<typeof change>): string | undefined {
  if (several !== undefined && several.length > 1) {
    throw new Refusal(422, { code: 'multiple_roles_not_enabled', message: 'Multiple roles are not enabled for this environment.' });
  }
  return one ?? several?.[0];
}
