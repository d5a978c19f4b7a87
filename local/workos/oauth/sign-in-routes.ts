import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Provider } from 'oidc-provider';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import { organizationForm, organizationPage } from '../pages/organization-page.ts';
import type { DemoAccount } from '../pages/pages.ts';
import { errorPage, signInPage } from '../pages/pages.ts';
import { sendPage } from '../pages/send-page.ts';
import type { OrganizationChoice } from '../sign-in/organization-choice.ts';
import { Refusal } from '../state/refusal.ts';

const credentials = z.object({ email: z.string(), password: z.string() });

interface Parts {
  readonly provider: Provider;
  readonly directory: Directory;
  readonly choice: OrganizationChoice;
  readonly accounts: readonly DemoAccount[];
}

/** Purpose of the sign-in, kept while the user chooses an organization. */
interface Purpose {
  readonly uid: string;
}

/**
 * Routes of the sign-in page of an OAuth authorization. `GET /oauth2/sign-in/:uid` shows the form. `POST` signs in and continues to the
 * client. A member of several organizations first chooses one by `POST .../organization`.
 */
export function signInRoutes(app: FastifyInstance, { provider, directory, choice, accounts }: Parts): void {
  async function show(
    reply: FastifyReply,
    status: number,
    interaction: Awaited<ReturnType<Provider['interactionDetails']>>,
    again: { email?: string; error?: string } = {},
  ) {
    const client = await provider.Client.find(String(interaction.params['client_id']));
    const asked = interaction.params['resource'];
    return sendPage(
      reply.status(status),
      signInPage({
        action: `/oauth2/sign-in/${interaction.uid}`,
        client: client?.clientName ?? client?.clientId ?? 'A client',
        resources: asked === undefined ? [] : [asked].flat().map(String),
        accounts,
        ...again,
      }),
    );
  }

  app.get('/oauth2/sign-in/:uid', async (request, reply) => {
    const interaction = await provider.interactionDetails(request.raw, reply.raw);
    return show(reply, 200, interaction);
  });

  app.post('/oauth2/sign-in/:uid/organization', async (request, reply) => {
    const interaction = await provider.interactionDetails(request.raw, reply.raw);
    const sent = organizationForm.safeParse(request.body);
    const chosen = sent.success ? choice.take<Purpose>(sent.data.ticket, sent.data.organization_id) : undefined;
    if (chosen?.purpose.uid !== interaction.uid) {
      return show(reply, 400, interaction, { error: 'You are not a member of that organization, or took too long. Sign in again.' });
    }
    return goOn(request, reply, chosen.userId, chosen.organizationId);
  });

  async function goOn(request: FastifyRequest, reply: FastifyReply, userId: string, organizationId: string | undefined) {
    const next = await provider.interactionResult(request.raw, reply.raw, {
      login: { accountId: userId, remember: false },
      consent: {},
      organizationId,
    });
    return reply.redirect(next, 303);
  }

  app.post('/oauth2/sign-in/:uid', async (request, reply) => {
    const interaction = await provider.interactionDetails(request.raw, reply.raw);
    const form = credentials.safeParse(request.body);
    if (!form.success) return show(reply, 400, interaction, { error: 'Enter an e-mail and a password.' });
    try {
      const user = await directory.users.signIn(form.data.email, form.data.password);
      const offer = choice.offer<Purpose>(user.id, { uid: interaction.uid });
      if (offer !== undefined) return sendPage(reply, organizationPage(`/oauth2/sign-in/${interaction.uid}/organization`, offer));
      return goOn(request, reply, user.id, choice.only(user.id));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return show(reply, error.status, interaction, { email: form.data.email, error: error.message });
    }
  });
}

/** Shows the page for an authorization that has expired or was begun in another browser. */
export function expired(reply: FastifyReply) {
  return sendPage(
    reply.status(400),
    errorPage('session_not_found', 'This sign-in has expired or belongs to another browser. Start again from the client.'),
  );
}
