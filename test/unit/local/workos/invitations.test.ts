import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acceptInvitation } from './accept-invitation.ts';
import { claimsOf, startEnvironment, type TestEnvironment } from './environment.ts';

let environment: TestEnvironment;
const password = 'a good password';

beforeAll(async () => {
  environment = await startEnvironment();
});

afterAll(() => environment[Symbol.asyncDispose]());

const signIn = (email: string) =>
  environment.sdk.userManagement.authenticateWithPassword({
    clientId: environment.workos.clientId,
    email,
    password,
  });

const pendingAndActive = async (organizationId: string) =>
  (await environment.sdk.userManagement.listOrganizationMemberships({ organizationId, statuses: ['active', 'pending'] })).data.map(
    ({ status, role, userId }) => ({ status, role: role.slug, userId }),
  );

describe('a person who accepts an invitation', () => {
  test('gets an account and the role on its page', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Inviting' });
    const invitation = await userManagement.sendInvitation({ email: 'New@example.com', organizationId: id, roleSlug: 'tenant-admin' });
    expect(invitation).toMatchObject({ email: 'new@example.com', state: 'pending', organizationId: id });
    await expect(acceptInvitation(invitation.acceptInvitationUrl, 'short')).rejects.toThrow('strength');
    await acceptInvitation(invitation.acceptInvitationUrl, password);
    const session = await signIn('new@example.com');
    expect(claimsOf(session.accessToken)).toMatchObject({ org_id: id, role: 'tenant-admin' });
    expect((await userManagement.listInvitations({ organizationId: id })).data).toMatchObject([
      { id: invitation.id, state: 'accepted', acceptedUserId: session.user.id },
    ]);
    await expect(acceptInvitation(invitation.acceptInvitationUrl, password)).rejects.toThrow('This invitation is accepted.');
    const events = environment.workos.events({ organizationId: id }).map(({ event }) => event);
    expect(events).toEqual(['organization.created', 'organization_membership.created']);
  });

  test('with an account is a pending member until then, without access', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Waiting' });
    const user = await userManagement.createUser({ email: 'known@example.com', password });
    const invitation = await userManagement.sendInvitation({ email: user.email, organizationId: id, roleSlug: 'viewer' });
    expect(await pendingAndActive(id)).toEqual([{ status: 'pending', role: 'viewer', userId: user.id }]);
    await expect(userManagement.createOrganizationMembership({ organizationId: id, userId: user.id })).rejects.toMatchObject({
      status: 400,
    });
    expect(claimsOf((await signIn(user.email)).accessToken)).not.toHaveProperty('org_id');
    await acceptInvitation(invitation.acceptInvitationUrl, password);
    expect((await signIn(user.email)).organizationId).toBe(id);
    expect(await pendingAndActive(id)).toEqual([{ status: 'active', role: 'viewer', userId: user.id }]);
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
    await expect(acceptInvitation(invitation.acceptInvitationUrl, password)).rejects.toThrow('This invitation is revoked.');
  });

  test('ends with its organization', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Ending' });
    const invitation = await userManagement.sendInvitation({ email: 'ending@example.com', organizationId: id });
    await organizations.deleteOrganization(id);
    expect(environment.workos.invitations('ending@example.com')).toMatchObject([{ id: invitation.id, state: 'revoked' }]);
  });

  test('is found by e-mail and organization', async () => {
    const { userManagement, organizations } = environment.sdk;
    const { id } = await organizations.createOrganization({ name: 'Again' });
    const invitation = await userManagement.sendInvitation({ email: 'again@example.com', organizationId: id });
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

test('a change of an organization keeps the fields that it leaves out', async () => {
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

test('a redirect URI is added once', async () => {
  const { sdk } = environment;
  const added = await sdk.post('/user_management/redirect_uris', { uri: 'https://console.example/callback' });
  expect(added.data).toMatchObject({ object: 'redirect_uri', default: true });
  await expect(sdk.post('/user_management/redirect_uris', { uri: 'https://console.example/callback' })).rejects.toMatchObject({
    status: 422,
  });
});
