import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acceptInvitationByScript } from '../../../../local/workos/accept-invitation-by-script.ts';
import { claimsOf, startEnvironment, type TestEnvironment } from './environment.ts';

let environment: TestEnvironment;
const password = 'a good password';

beforeAll(async () => {
  environment = await startEnvironment();
});

afterAll(() => environment[Symbol.asyncDispose]());

const signIn = (email: string, invitationToken?: string) =>
  environment.sdk.userManagement.authenticateWithPassword({
    clientId: environment.workos.clientId,
    email,
    password,
    ...(invitationToken === undefined ? {} : { invitationToken }),
  });

const pendingAndActive = async (organizationId: string) =>
  (await environment.sdk.userManagement.listOrganizationMemberships({ organizationId, statuses: ['active', 'pending'] })).data.map(
    ({ status, role, userId }) => ({ status, role: role.slug, userId }),
  );

describe('who accepts an invitation', () => {
  test('gets an account and the role on its page', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Inviting' });
    const invitation = await userManagement.sendInvitation({ email: 'New@example.com', organizationId: id, roleSlug: 'tenant-admin' });
    expect(invitation).toMatchObject({ email: 'new@example.com', state: 'pending', organizationId: id });
    expect(await userManagement.findInvitationByToken(invitation.token)).toMatchObject({ id: invitation.id });
    await expect(acceptInvitationByScript(invitation.acceptInvitationUrl, 'short')).rejects.toThrow('strength');
    await acceptInvitationByScript(invitation.acceptInvitationUrl, password);
    const session = await signIn('new@example.com');
    expect(claimsOf(session.accessToken)).toMatchObject({ org_id: id, role: 'tenant-admin' });
    expect(await userManagement.getInvitation(invitation.id)).toMatchObject({ state: 'accepted', acceptedUserId: session.user.id });
    await expect(acceptInvitationByScript(invitation.acceptInvitationUrl, password)).rejects.toThrow('This invitation is accepted.');
    const told = environment.workos.events({ organizationId: id }).map(({ event }) => event);
    expect(told.filter((event) => !event.startsWith('session.'))).toEqual([
      'organization.created',
      'invitation.created',
      'organization_membership.created',
      'invitation.accepted',
    ]);
    expect(JSON.stringify(environment.workos.events())).not.toContain(invitation.token);
  });

  test('with an account is a pending member until then, which is no member', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Waiting' });
    const user = await userManagement.createUser({ email: 'known@example.com', password });
    const invitation = await userManagement.sendInvitation({ email: user.email, organizationId: id, roleSlug: 'viewer' });
    expect(await pendingAndActive(id)).toEqual([{ status: 'pending', role: 'viewer', userId: user.id }]);
    const [membership] = environment.workos.memberships({ organizationId: id });
    await expect(userManagement.deactivateOrganizationMembership(membership?.id ?? '')).rejects.toMatchObject({ status: 400 });
    await expect(userManagement.createOrganizationMembership({ organizationId: id, userId: user.id })).rejects.toMatchObject({
      status: 400,
    });
    expect(claimsOf((await signIn(user.email)).accessToken)).not.toHaveProperty('org_id');
    expect((await signIn(user.email, invitation.token)).organizationId).toBe(id);
    expect(await pendingAndActive(id)).toEqual([{ status: 'active', role: 'viewer', userId: user.id }]);
  });

  test('may be said by the API', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'By the API' });
    const user = await userManagement.createUser({ email: 'api@example.com' });
    const invitation = await userManagement.sendInvitation({ email: user.email, organizationId: id });
    expect(await userManagement.acceptInvitation(invitation.id)).toMatchObject({ state: 'accepted', acceptedUserId: user.id });
    expect(await pendingAndActive(id)).toEqual([{ status: 'active', role: 'member', userId: user.id }]);
    await expect(userManagement.acceptInvitation(invitation.id)).rejects.toMatchObject({ status: 400 });
  });
});

describe('an invitation', () => {
  test('that is revoked takes the pending membership with it', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Revoking' });
    const user = await userManagement.createUser({ email: 'revoked@example.com', password });
    const invitation = await userManagement.sendInvitation({ email: user.email, organizationId: id });
    expect(await userManagement.revokeInvitation(invitation.id)).toMatchObject({ state: 'revoked' });
    expect(await pendingAndActive(id)).toEqual([]);
    await expect(acceptInvitationByScript(invitation.acceptInvitationUrl, password)).rejects.toThrow('This invitation is revoked.');
    await expect(userManagement.resendInvitation(invitation.id)).rejects.toMatchObject({ status: 400 });
    await expect(signIn(user.email, invitation.token)).rejects.toMatchObject({ error: 'invitation_invalid' });
  });

  test('ends with its organization', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Ending' });
    const invitation = await userManagement.sendInvitation({ email: 'ending@example.com', organizationId: id });
    await organizations.deleteOrganization(id);
    expect((await userManagement.getInvitation(invitation.id)).state).toBe('revoked');
  });

  test('can be sent again, and found by e-mail and organization', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Again' });
    const invitation = await userManagement.sendInvitation({ email: 'again@example.com', organizationId: id });
    expect((await userManagement.resendInvitation(invitation.id)).id).toBe(invitation.id);
    const found = await userManagement.listInvitations({ email: 'again@example.com', organizationId: id });
    expect(found.data.map((one) => one.id)).toEqual([invitation.id]);
  });

  test.each([
    ['a second one', { email: 'twice@example.com' }, 'email_already_invited_to_organization'],
    ['an unknown role', { email: 'role@example.com', roleSlug: 'emperor' }, 'invalid_role'],
    ['no time to accept', { email: 'quick@example.com', expiresInDays: 0 }, 'expires_in_days_too_short'],
    ['too much time', { email: 'never@example.com', expiresInDays: 31 }, 'expires_in_days_too_long'],
  ])('with %s is refused', async (_name, wanted, code) => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Refusing' });
    await userManagement.sendInvitation({ email: 'twice@example.com', organizationId: id });
    await expect(userManagement.sendInvitation({ organizationId: id, ...wanted })).rejects.toMatchObject({ status: 400, code });
  });
});

describe('objects are changed', () => {
  test('an organization, keeping what is not named', async () => {
    const { organizations } = environment.sdk;
    const created = await organizations.createOrganization({ name: 'Before', externalId: 'ext-before', metadata: { a: '1', b: '2' } });
    const changed = await organizations.updateOrganization({ organization: created.id, name: 'After', metadata: { a: '2', c: '3' } });
    expect(changed).toMatchObject({ name: 'After', externalId: 'ext-before', metadata: { a: '2', b: '2', c: '3' } });
    await organizations.createOrganization({ name: 'Other', externalId: 'ext-other' });
    await expect(organizations.updateOrganization({ organization: created.id, externalId: 'ext-other' })).rejects.toMatchObject({
      status: 400,
      code: 'external_id_already_used',
    });
  });

  test('a user, whose new address signs in', async () => {
    const { userManagement } = environment.sdk;
    const user = await userManagement.createUser({ email: 'old@example.com', password: 'an old password' });
    await userManagement.updateUser({ userId: user.id, email: 'changed@example.com', externalId: 'user-ext', password });
    expect((await userManagement.getUserByExternalId('user-ext')).id).toBe(user.id);
    expect((await signIn('changed@example.com')).user.id).toBe(user.id);
    await userManagement.createUser({ email: 'old@example.com' });
    await expect(userManagement.updateUser({ userId: user.id, email: 'old@example.com' })).rejects.toMatchObject({ status: 400 });
  });
});

test('a redirect URI must be registered, or be of this machine', async () => {
  const { sdk, workos } = environment;
  const page = (redirectUri: string) =>
    fetch(sdk.userManagement.getAuthorizationUrl({ clientId: workos.clientId, provider: 'authkit', redirectUri }));
  expect((await page('https://console.example/callback')).status).toBe(400);
  const added = await sdk.post('/user_management/redirect_uris', { uri: 'https://console.example/callback' });
  expect(added.data).toMatchObject({ object: 'redirect_uri', default: true });
  await expect(sdk.post('/user_management/redirect_uris', { uri: 'https://console.example/callback' })).rejects.toMatchObject({
    status: 422,
  });
  expect((await page('https://console.example/callback')).status).toBe(200);
  expect((await page('http://localhost:3000/callback')).status).toBe(200);
  expect(workos.redirectUris()).toEqual(['https://console.example/callback']);
});

test('scripts of an origin read answers once it is added', async () => {
  const { sdk, workos } = environment;
  const origin = 'https://console.example';
  const allowed = async () =>
    (await fetch(`${workos.apiUrl}/sso/jwks/${workos.clientId}`, { headers: { origin } })).headers.get('access-control-allow-origin');
  expect(await allowed()).toBeNull();
  await sdk.post('/user_management/cors_origins', { origin });
  await expect(sdk.post('/user_management/cors_origins', { origin })).rejects.toMatchObject({ status: 409 });
  await expect(sdk.post('/user_management/cors_origins', { origin: 'console.example/path' })).rejects.toMatchObject({ status: 422 });
  expect(await allowed()).toBe(origin);
  const preflight = await fetch(`${workos.apiUrl}/user_management/authenticate`, { method: 'OPTIONS', headers: { origin } });
  expect(preflight.status).toBe(204);
});
