import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import { document, donePage, errorPage, html } from '../pages/pages.ts';
import { sendPage } from '../pages/send-page.ts';
import type { Invitation, User } from '../state/records.ts';
import { Refusal } from '../state/refusal.ts';

const form = z.object({ invitation_token: z.string(), password: z.string() });

/** Page of an invitation. The invited person sets a password, or enters that of the existing account, and becomes a member. */
export function invitationPageRoutes(app: FastifyInstance, { invitations, organizations, users }: Directory): void {
  function show(reply: FastifyReply, invitation: Invitation, error?: string) {
    if (invitation.state !== 'pending') {
      return sendPage(reply.status(400), errorPage('invite_not_pending', `This invitation is ${invitation.state}.`));
    }
    const organization = invitation.organization_id === null ? undefined : organizations.one(invitation.organization_id);
    const known = users.hasPassword(users.byEmail(invitation.email)?.id);
    return sendPage(
      reply,
      invitationPage({ invitation, organization: organization?.name, known, ...(error === undefined ? {} : { error }) }),
    );
  }

  app.get<{ Querystring: { invitation_token?: string } }>('/invite', async ({ query }, reply) => {
    try {
      return show(reply, invitations.byToken(query.invitation_token ?? ''));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return sendPage(reply.status(404), errorPage('invitation_not_found', 'There is no such invitation.'));
    }
  });

  app.post('/invite', async ({ body }, reply) => {
    const sent = form.safeParse(body);
    if (!sent.success) return sendPage(reply.status(400), errorPage('invalid_request', 'The form is incomplete.'));
    const invitation = invitations.byToken(sent.data.invitation_token);
    if (invitation.state !== 'pending') return show(reply, invitation);
    try {
      invitations.accept(invitation.id, await person(invitation.email, sent.data.password));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return show(reply.status(error.status), invitations.one(invitation.id), error.message);
    }
    return sendPage(reply, donePage('You are a member now and can sign in.'));
  });

  async function person(email: string, password: string): Promise<User> {
    const user = users.byEmail(email);
    // The invitation was sent to this address, so the address counts as verified.
    if (user === undefined) return users.create({ email, password, emailVerified: true });
    return users.hasPassword(user.id) ? users.signIn(email, password) : users.setPassword(user.id, password);
  }
}

function invitationPage(shown: {
  readonly invitation: Invitation;
  readonly organization: string | undefined;
  /** True when an account with a password exists. */
  readonly known: boolean;
  readonly error?: string;
}): string {
  const { invitation, organization, known, error } = shown;
  return document(
    'Invitation',
    `<h1>Invitation</h1>
<p><strong>${html(invitation.email)}</strong> is invited${organization === undefined ? '' : ` to <strong>${html(organization)}</strong>`}.</p>
${error === undefined ? '' : `<p class="error" role="alert">${html(error)}</p>`}
<form method="post" action="/invite"><input type="hidden" name="invitation_token" value="${html(invitation.token)}">
<label>${known ? 'Your password' : 'Choose a password'} <input name="password" type="password" autocomplete="${known ? 'current' : 'new'}-password" required minlength="8"></label>
<button type="submit">Accept</button>
</form>`,
  );
}
