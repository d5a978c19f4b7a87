import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Invitations } from '../directory/invitations.ts';
import type { Invitation } from '../state/records.ts';
import { listOf, parsed } from './lists.ts';

const creation = z.object({
  email: z.email(),
  organization_id: z.string().optional(),
  role_slug: z.string().optional(),
  expires_in_days: z.number().int().optional(),
  inviter_user_id: z.string().optional(),
  locale: z.string().optional(),
});
const filter = z.object({ email: z.string().optional(), organization_id: z.string().optional() });

/** URL of the page on which the invited person accepts. */
const acceptUrlOf = (issuer: string, { token }: Invitation): string => `${issuer}/invite?invitation_token=${token}`;

/** https://workos.com/docs/reference/authkit/invitation. No e-mail is sent. The answer contains its content. */
export function invitationRoutes(app: FastifyInstance, issuer: string, invitations: Invitations): void {
  type One = { Params: { id: string } };
  const path = '/user_management/invitations';
  const shown = (invitation: Invitation) => ({ ...invitation, accept_invitation_url: acceptUrlOf(issuer, invitation) });

  app.post(path, async ({ body }, reply) => {
    const wanted = parsed(creation, body);
    const invitation = invitations.create({
      email: wanted.email,
      organizationId: wanted.organization_id,
      roleSlug: wanted.role_slug,
      expiresInDays: wanted.expires_in_days,
      inviterUserId: wanted.inviter_user_id,
    });
    return reply.status(201).send(shown(invitation));
  });
  app.get(path, async ({ query }) => {
    const { email, organization_id: organizationId } = parsed(filter, query);
    const page = listOf(
      invitations
        .all()
        .filter((one) => email === undefined || one.email === email.toLowerCase())
        .filter((one) => organizationId === undefined || one.organization_id === organizationId),
      query,
    );
    return { ...page, data: page.data.map(shown) };
  });
  app.post<One>(`${path}/:id/revoke`, async ({ params }) => shown(invitations.revoke(params.id)));
}
