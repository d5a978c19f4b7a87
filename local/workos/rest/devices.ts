import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import { devicePage } from '../pages/device-page.ts';
import { organizationForm, organizationPage } from '../pages/organization-page.ts';
import { type DemoAccount, donePage } from '../pages/pages.ts';
import { sendPage } from '../pages/send-page.ts';
import type { Devices } from '../sign-in/devices.ts';
import type { OrganizationChoice } from '../sign-in/organization-choice.ts';
import { oauthRefusal, Refusal } from '../state/refusal.ts';

const form = z.object({
  user_code: z.string(),
  email: z.string(),
  password: z.string(),
  decision: z.enum(['allow', 'deny']).default('allow'),
});

/** Purpose of the sign-in, kept while the user chooses an organization. */
interface Purpose {
  readonly userCode: string;
}

interface Parts {
  readonly issuer: string;
  readonly clientId: string;
  readonly devices: Devices;
  readonly directory: Directory;
  readonly choice: OrganizationChoice;
  readonly accounts: readonly DemoAccount[];
}

const notTheirs = 'You are not a member of that organization, or took too long. Sign in again.';
const gone = 'No device waits under this code. Start again at the device.';

/** Routes of the device flow: a device begins at `/user_management/authorize/device`, and its user signs in at `/device`. */
export function deviceRoutes(app: FastifyInstance, { issuer, clientId, devices, directory, choice, accounts }: Parts): void {
  app.post('/user_management/authorize/device', async ({ body }) => {
    const asked = z.object({ client_id: z.string() }).safeParse(body);
    if (!asked.success) throw oauthRefusal('invalid_request', 'client_id is missing.');
    if (asked.data.client_id !== clientId) throw oauthRefusal('invalid_client', 'Unknown client.');
    const { deviceCode, userCode } = devices.start();
    return {
      device_code: deviceCode,
      user_code: userCode,
      verification_uri: `${issuer}/device`,
      verification_uri_complete: `${issuer}/device?user_code=${userCode}`,
      expires_in: devices.options.expirySeconds,
      interval: devices.options.intervalSeconds,
    };
  });

  const show = (reply: FastifyReply, fields: { userCode?: string; email?: string; error?: string }) =>
    sendPage(reply, devicePage({ accounts, ...fields }));

  app.get<{ Querystring: { user_code?: string } }>('/device', async ({ query }, reply) =>
    show(reply, query.user_code === undefined ? {} : { userCode: query.user_code }),
  );

  app.post('/device', async ({ body }, reply) => {
    const sent = form.safeParse(body);
    if (!sent.success) return show(reply.status(400), { error: 'Enter the code, an e-mail and a password.' });
    const { user_code: userCode, email, password, decision } = sent.data;
    if (!devices.awaits(userCode)) return show(reply.status(400), { email, error: gone });
    try {
      const user = await directory.users.signIn(email, password);
      if (decision === 'deny') return finish(reply, devices.decide(userCode, { outcome: 'denied' }), 'The device was refused.');
      const offer = choice.offer<Purpose>(user.id, { userCode });
      if (offer !== undefined) return sendPage(reply, organizationPage('/device/organization', offer));
      return approve(reply, userCode, user.id, choice.only(user.id));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return show(reply.status(error.status), { userCode, email, error: error.message });
    }
  });

  app.post('/device/organization', async ({ body }, reply) => {
    const sent = organizationForm.safeParse(body);
    const chosen = sent.success ? choice.take<Purpose>(sent.data.ticket, sent.data.organization_id) : undefined;
    if (chosen === undefined) return show(reply.status(400), { error: notTheirs });
    return approve(reply, chosen.purpose.userCode, chosen.userId, chosen.organizationId);
  });

  const approve = (reply: FastifyReply, userCode: string, userId: string, organizationId: string | undefined) =>
    finish(reply, devices.decide(userCode, { outcome: 'approved', userId, organizationId }), 'The device is signed in.');

  const finish = (reply: FastifyReply, noted: boolean, message: string) =>
    noted ? sendPage(reply, donePage(message)) : show(reply.status(400), { error: gone });
}
