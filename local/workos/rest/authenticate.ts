import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import type { Devices } from '../sign-in/devices.ts';
import type { Sessions } from '../sign-in/sessions.ts';
import type { Membership, User } from '../state/records.ts';
import { oauthRefusal, Refusal } from '../state/refusal.ts';
import type { Environment } from '../state/store.ts';
import { parsed } from './lists.ts';

const client = { client_id: z.string(), client_secret: z.string().optional() };
const grant = z.discriminatedUnion('grant_type', [
  z.object({ ...client, grant_type: z.literal('password'), email: z.string(), password: z.string() }),
  z.object({ ...client, grant_type: z.literal('refresh_token'), refresh_token: z.string(), organization_id: z.string().optional() }),
  z.object({ ...client, grant_type: z.literal('urn:ietf:params:oauth:grant-type:device_code'), device_code: z.string() }),
]);

/**
 * https://workos.com/docs/reference/authkit/authentication. Supports the grants of the command line, and password sign-ins of users with one
 * organization.
 */
export function authenticateRoutes(
  app: FastifyInstance,
  environment: Environment,
  directory: Directory,
  sessions: Sessions,
  devices: Devices,
): void {
  /** Returns the membership of a session. */
  function only(user: User): Membership | undefined {
    const active = directory.memberships.all({ userId: user.id, statuses: ['active'] });
    if (active.length < 2) return active[0];
    throw new Refusal(403, {
      code: 'organization_selection_required',
      message: 'The user must choose an organization. The stand-in offers the choice on its sign-in pages only.',
    });
  }

  function membershipIn(userId: string, organizationId: string): Membership {
    const found = directory.memberships.all({ userId, organizationId, statuses: ['active'] })[0];
    if (found === undefined) throw new Refusal(400, { code: 'invalid_organization_id', message: 'The user is not an active member.' });
    return found;
  }

  app.post('/user_management/authenticate', async (request) => {
    const wanted = parsed(grant, request.body);
    if (wanted.client_id !== environment.clientId) throw oauthRefusal('invalid_client', 'Invalid client ID.');
    // Devices have no secret.
    if (wanted.client_secret === undefined ? wanted.grant_type === 'password' : wanted.client_secret !== environment.apiKey) {
      throw oauthRefusal('invalid_client', 'Invalid client secret.');
    }
    switch (wanted.grant_type) {
      case 'password': {
        const user = await directory.users.signIn(wanted.email, wanted.password);
        return sessions.open(user, only(user));
      }
      case 'urn:ietf:params:oauth:grant-type:device_code': {
        const { userId, organizationId } = devices.redeem(wanted.device_code);
        if (!directory.users.maySignIn(userId)) throw oauthRefusal('access_denied', 'The user may no longer sign in.');
        const membership = organizationId === undefined ? undefined : membershipIn(userId, organizationId);
        return sessions.open(directory.users.one(userId), membership);
      }
      case 'refresh_token': {
        const session = sessions.redeemRefreshToken(wanted.refresh_token);
        if (!directory.users.maySignIn(session.userId)) throw oauthRefusal('invalid_grant', 'The session has ended.');
        const organizationId = wanted.organization_id ?? session.organizationId;
        const membership = organizationId === undefined ? undefined : membershipIn(session.userId, organizationId);
        return sessions.open(directory.users.one(session.userId), membership, session.sessionId);
      }
    }
  });
}
