import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import { organizationForm, organizationPage } from '../pages/organization-page.ts';
import { type DemoAccount, errorPage, signInPage } from '../pages/pages.ts';
import { sendPage } from '../pages/send-page.ts';
import type { OrganizationChoice } from '../sign-in/organization-choice.ts';
import type { Sessions } from '../sign-in/sessions.ts';
import { Refusal } from '../state/refusal.ts';
import type { Environment } from '../state/store.ts';

const request = z.object({
  client_id: z.string(),
  redirect_uri: z.url(),
  response_type: z.literal('code'),
  state: z.string().optional(),
  code_challenge: z.string().optional(),
  code_challenge_method: z.literal('S256').optional(),
});
type Asked = z.infer<typeof request>;
const form = request.extend({ email: z.string(), password: z.string() });

/** Signs in an application's users at `/user_management/authorize`. Redirects with a code for `authenticate` to registered URIs or this machine. */
export function authorizeRoutes(
  app: FastifyInstance,
  environment: Environment,
  directory: Directory,
  choice: OrganizationChoice,
  sessions: Sessions,
  accounts: readonly DemoAccount[],
): void {
  const path = '/user_management/authorize';

  /** Answers with an error page. A redirect to an unregistered URI would be an open redirect. */
  function refused(reply: FastifyReply, asked: Asked): FastifyReply | undefined {
    const host = new URL(asked.redirect_uri).hostname;
    if (asked.client_id !== environment.clientId) return sendPage(reply.status(400), errorPage('invalid_client', 'Invalid client ID.'));
    const registered = directory.origins.redirectUris().some(({ uri }) => uri === asked.redirect_uri);
    if (!registered && !['localhost', '127.0.0.1', '[::1]'].includes(host)) {
      return sendPage(reply.status(400), errorPage('invalid_redirect_uri', 'This redirect URI is not registered in the environment.'));
    }
    return undefined;
  }

  function show(reply: FastifyReply, asked: Asked, again: { email?: string; error?: string } = {}) {
    return sendPage(
      reply,
      signInPage({ action: path, client: new URL(asked.redirect_uri).host, resources: [], accounts, fields: hidden(asked), ...again }),
    );
  }

  app.post(`${path}/organization`, async ({ body }, reply) => {
    const sent = organizationForm.safeParse(body);
    const chosen = sent.success ? choice.take<Asked>(sent.data.ticket, sent.data.organization_id) : undefined;
    if (chosen === undefined) {
      return sendPage(reply.status(400), errorPage('invalid_request', 'You are not a member of that organization, or took too long.'));
    }
    return goOn(reply, chosen.purpose, chosen.userId, chosen.organizationId);
  });

  function goOn(reply: FastifyReply, asked: Asked, userId: string, organizationId: string | undefined) {
    const target = new URL(asked.redirect_uri);
    const code = sessions.issueCode({ userId, organizationId, redirectUri: asked.redirect_uri, challenge: asked.code_challenge });
    target.searchParams.set('code', code);
    if (asked.state !== undefined) target.searchParams.set('state', asked.state);
    return reply.redirect(target.href, 303);
  }

  app.get(path, async ({ query }, reply) => {
    const asked = request.safeParse(query);
    if (!asked.success) return sendPage(reply.status(400), errorPage('invalid_request', z.prettifyError(asked.error)));
    return refused(reply, asked.data) ?? show(reply, asked.data);
  });

  app.post(path, async ({ body }, reply) => {
    const sent = form.safeParse(body);
    if (!sent.success) return sendPage(reply.status(400), errorPage('invalid_request', z.prettifyError(sent.error)));
    const { email, password, ...asked } = sent.data;
    const refusal = refused(reply, asked);
    if (refusal !== undefined) return refusal;
    try {
      const user = await directory.users.signIn(email, password);
      const offer = choice.offer<Asked>(user.id, asked);
      if (offer !== undefined) return sendPage(reply, organizationPage(`${path}/organization`, offer));
      return goOn(reply, asked, user.id, choice.only(user.id));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return show(reply.status(error.status), asked, { email, error: error.message });
    }
  });
}

function hidden(asked: Asked): Record<string, string> {
  return Object.fromEntries(Object.entries(asked).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
