import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import type { Devices } from '../sign-in/devices.ts';
import type { Sessions } from '../sign-in/sessions.ts';
import { newSecret } from '../state/identifiers.ts';
import type { Membership, User } from '../state/records.ts';
import { oauthRefusal, Refusal } from '../state/refusal.ts';
import type { Environment } from '../state/store.ts';
import type { Vault } from '../state/vault.ts';
import { parsed } from './lists.ts';

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const client = { client_id: z.string(), client_secret: z.string().optional() };
const invitation = { invitation_token: z.string().optional() };
const grant = z.discriminatedUnion('grant_type', [
  z.object({ ...client, grant_type: z.literal('password'), email: z.string(), password: z.string(), ...invitation }),
  z.object({
    ...client,
    grant_type: z.literal('authorization_code'),
    code: z.string(),
    code_verifier: z.string().optional(),
    ...invitation,
  }),
  z.object({ ...client, grant_type: z.literal('refresh_token'), refresh_token: z.string(), organization_id: z.string().optional() }),
  z.object({
    ...client,
    grant_type: z.literal('urn:workos:oauth:grant-type:organization-selection'),
    pending_authentication_token: z.string(),
    organization_id: z.string(),
  }),
  z.object({
    ...client,
    grant_type: z.literal(deviceGrant),
    device_code: z.string(),
  }),
]);

const publicGrants: ReadonlySet<string> = new Set(['refresh_token', deviceGrant]);

interface Pending {
  readonly userId: string;
  readonly method: string;
}

/** https://workos.com/docs/reference/authkit/authentication. Supports the grants that the SDK's `authenticateWith...` uses here. */
export function authenticateRoutes(
  app: FastifyInstance,
  environment: Environment,
  directory: Directory,
  sessions: Sessions,
  devices: Devices,
  vault: Vault,
): void {
  /** Returns the membership of a session. A user with several memberships has to choose one. */
  function chosen(user: User, method: string): Membership | undefined {
    const active = directory.memberships.all({ userId: user.id, statuses: ['active'] });
    if (active.length < 2) return active[0];
    const token = newSecret();
    vault.put<Pending>(`pending:${token}`, { userId: user.id, method }, 600);
    throw new Refusal(403, {
      code: 'organization_selection_required',
      message: 'The user must choose an organization to finish their authentication.',
      pending_authentication_token: token,
      organizations: active.map(({ organization_id: id, organization_name: name }) => ({ id, name })),
      user,
    });
  }

  /** Accepts the invitation, if any. The session then belongs to its organization. */
  function invited(user: User, token: string | undefined): Membership | undefined {
    if (token === undefined) return undefined;
    const found = directory.invitations.all().find((one) => one.token === token && one.state === 'pending');
    if (found === undefined) throw oauthRefusal('invitation_invalid', 'The invitation is not pending.');
    if (found.email !== user.email) throw oauthRefusal('invitation_cannot_be_used_for_email', 'The invitation is for another e-mail.');
    directory.invitations.accept(found.id, user);
    return found.organization_id === null ? undefined : membershipIn(user.id, found.organization_id);
  }

  function membershipIn(userId: string, organizationId: string): Membership {
    const found = directory.memberships.all({ userId, organizationId, statuses: ['active'] })[0];
    if (found === undefined) throw new Refusal(400, { code: 'invalid_organization_id', message: 'The user is not an active member.' });
    return found;
  }

  app.post('/user_management/authenticate', async (request) => {
    const wanted = parsed(grant, request.body);
    if (wanted.client_id !== environment.clientId) throw oauthRefusal('invalid_client', 'Invalid client ID.');
    // Only devices and browser applications have no secret. A browser application sends a PKCE verifier or a refresh token.
    const publicGrant =
      wanted.grant_type === 'authorization_code' ? wanted.code_verifier !== undefined : publicGrants.has(wanted.grant_type);
    if (wanted.client_secret === undefined ? !publicGrant : wanted.client_secret !== environment.apiKey) {
      throw oauthRefusal('invalid_client', 'Invalid client secret.');
    }
    switch (wanted.grant_type) {
      case 'password': {
        const user = await directory.users.signIn(wanted.email, wanted.password);
        return sessions.open(user, invited(user, wanted.invitation_token) ?? chosen(user, 'Password'), 'Password');
      }
      case 'authorization_code': {
        const { userId, organizationId } = sessions.redeemCode(wanted.code, wanted.code_verifier);
        const user = directory.users.one(userId);
        const accepted = invited(user, wanted.invitation_token);
        const chosenThere = organizationId === undefined ? undefined : membershipIn(userId, organizationId);
        return sessions.open(user, accepted ?? chosenThere ?? chosen(user, 'Password'), 'Password');
      }
      case 'urn:workos:oauth:grant-type:organization-selection': {
        const pending = vault.take<Pending>(`pending:${wanted.pending_authentication_token}`);
        if (pending === undefined) {
          throw new Refusal(400, {
            code: 'invalid_pending_authentication_token',
            message: 'The pending authentication token is invalid or has expired.',
          });
        }
        const user = directory.users.one(pending.userId);
        return sessions.open(user, membershipIn(user.id, wanted.organization_id), pending.method);
      }
      case deviceGrant: {
        const { userId, organizationId } = devices.redeem(wanted.device_code);
        if (!directory.users.maySignIn(userId)) throw oauthRefusal('access_denied', 'The user may no longer sign in.');
        const membership = organizationId === undefined ? undefined : membershipIn(userId, organizationId);
        return sessions.open(directory.users.one(userId), membership, 'Password');
      }
      case 'refresh_token': {
        const session = sessions.redeemRefreshToken(wanted.refresh_token);
        if (!directory.users.maySignIn(session.userId)) throw oauthRefusal('invalid_grant', 'The session has ended.');
        const organizationId = wanted.organization_id ?? session.organizationId;
        const membership = organizationId === undefined ? undefined : membershipIn(session.userId, organizationId);
        return sessions.open(directory.users.one(session.userId), membership, 'Password', session.sessionId);
      }
    }
  });
}
