import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Provider } from 'oidc-provider';
import { z } from 'zod';
import type { Directory } from '../directory.ts';
import { Refusal } from '../refusal.ts';
import type { DemoAccount } from './pages.ts';
import { errorPage, signInPage } from './pages.ts';

const credentials = z.object({ email: z.string(), password: z.string() });

/** The page an OAuth authorization stops at: `GET /oauth2/sign-in/:uid` shows the form, `POST` there signs in and goes on to the client. */
export function signInRoutes(app: FastifyInstance, provider: Provider, directory: Directory, accounts: readonly DemoAccount[]): void {
  async function show(
    reply: FastifyReply,
    status: number,
    interaction: Awaited<ReturnType<Provider['interactionDetails']>>,
    again: { email?: string; error?: string } = {},
  ) {
    const client = await provider.Client.find(String(interaction.params['client_id']));
    const asked = interaction.params['resource'];
    return page(
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

  app.post('/oauth2/sign-in/:uid', async (request, reply) => {
    const interaction = await provider.interactionDetails(request.raw, reply.raw);
    const form = credentials.safeParse(request.body);
    if (!form.success) return show(reply, 400, interaction, { error: 'Enter an e-mail and a password.' });
    try {
      const user = await directory.users.signIn(form.data.email, form.data.password);
      const next = await provider.interactionResult(request.raw, reply.raw, {
        login: { accountId: user.id, remember: false },
        consent: {},
      });
      return reply.redirect(next, 303);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return show(reply, error.status, interaction, { email: form.data.email, error: error.message });
    }
  });
}

export function page(reply: FastifyReply, html: string) {
  return reply
    .type('text/html; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
    .header('referrer-policy', 'no-referrer')
    .send(html);
}

/** The page for an authorization that has expired or was begun in another browser. */
export function expired(reply: FastifyReply) {
  return page(
    reply.status(400),
    errorPage('session_not_found', 'This sign-in has expired or belongs to another browser. Start again from the client.'),
  );
}
