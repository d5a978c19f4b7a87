import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { approveDevice } from '../../../approve-device.ts';
import { claimsOf, startEnvironment, type TestEnvironment } from './environment.ts';

const password = 'a good password';
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await startEnvironment({ deviceIntervalSeconds: 0 });
});

afterAll(() => environment[Symbol.asyncDispose]());

interface Authorization {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri_complete: string;
}

async function post(path: string, fields: Record<string, string>, { workos } = environment) {
  const response = await fetch(workos.apiUrl + path, { method: 'POST', body: new URLSearchParams(fields) });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

async function begin(at = environment): Promise<Authorization> {
  const { status, body } = await post('/user_management/authorize/device', { client_id: at.workos.clientId }, at);
  expect(status).toBe(200);
  return body as unknown as Authorization;
}

/** Asks for the session, as a device does. */
const ask = ({ device_code }: Authorization, at = environment) =>
  post(
    '/user_management/authenticate',
    { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', client_id: at.workos.clientId, device_code },
    at,
  );

async function person(name: string, organizations: number, { workos } = environment) {
  const { id: userId, email } = await workos.createUser({ email: `${name}@example.com`, password });
  const ids = Array.from({ length: organizations }, (_, index) => {
    const { id } = workos.createOrganization({ name: `${name} ${index}` });
    workos.createMembership({ userId, organizationId: id, roleSlug: 'platform-viewer' });
    return id;
  });
  return { userId, email, ids };
}

describe('a device gets a session', () => {
  test('once its user has signed in, and only once', async () => {
    const { userId, email, ids } = await person('patient', 1);
    const device = await begin();
    expect(device.user_code).toMatch(/^[A-Z]{4}-[A-Z]{4}$/);
    expect(await ask(device)).toMatchObject({ status: 400, body: { error: 'authorization_pending' } });
    await approveDevice(device.verification_uri_complete, { email, password });
    const { status, body } = await ask(device);
    expect(status).toBe(200);
    expect(claimsOf(body['access_token'] ?? '')).toMatchObject({
      sub: userId,
      org_id: ids[0],
      role: 'platform-viewer',
      permissions: ['tenants:read', 'audit:read'],
    });
    expect(await ask(device)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const again = await post('/user_management/authenticate', {
      grant_type: 'refresh_token',
      client_id: environment.workos.clientId,
      refresh_token: body['refresh_token'] ?? '',
    });
    expect(again.status).toBe(200);
  });

  test('in the organization that a member of several chooses', async () => {
    const { email, ids } = await person('several', 2);
    const device = await begin();
    await expect(approveDevice(device.verification_uri_complete, { email, password })).rejects.toThrow('say which one');
    const second = await begin();
    await approveDevice(second.verification_uri_complete, { email, password, organizationId: ids[1] ?? '' });
    expect(claimsOf((await ask(second)).body['access_token'] ?? '')).toMatchObject({ org_id: ids[1] });
    expect(await ask(device)).toMatchObject({ body: { error: 'authorization_pending' } });
  });
});

describe('a device gets none', () => {
  test('when its user refuses', async () => {
    const { email } = await person('refusing', 1);
    const device = await begin();
    await approveDevice(device.verification_uri_complete, { email, password, decision: 'deny' });
    expect(await ask(device)).toMatchObject({ status: 400, body: { error: 'access_denied' } });
  });

  test('for a wrong password, or in an organization that is not the user’s', async () => {
    const { email } = await person('wrong', 2);
    const { ids } = await person('other', 1);
    const device = await begin();
    await expect(approveDevice(device.verification_uri_complete, { email, password: 'no' })).rejects.toThrow('Invalid credentials.');
    await expect(approveDevice(device.verification_uri_complete, { email, password, organizationId: ids[0] ?? '' })).rejects.toThrow(
      'not a member',
    );
    expect(await ask(device)).toMatchObject({ body: { error: 'authorization_pending' } });
  });

  test('when its user is deactivated after signing in', async () => {
    const { email, userId } = await person('late', 1);
    const device = await begin();
    await approveDevice(device.verification_uri_complete, { email, password });
    const [membership] = environment.workos.memberships({ userId });
    environment.workos.deactivate(membership?.id ?? '');
    expect(await ask(device)).toMatchObject({ status: 400, body: { error: 'access_denied' } });
  });

  test('after the code has expired', async () => {
    await using short = await startEnvironment({ deviceExpirySeconds: 0, deviceIntervalSeconds: 0 });
    const { email } = await person('slow', 1, short);
    const device = await begin(short);
    await expect(approveDevice(device.verification_uri_complete, { email, password })).rejects.toThrow('No device waits');
    expect(await ask(device, short)).toMatchObject({ status: 400, body: { error: 'expired_token' } });
  });

  test('when it asks too often', async () => {
    await using strict = await startEnvironment({ deviceIntervalSeconds: 60 });
    const device = await begin(strict);
    expect(await ask(device, strict)).toMatchObject({ body: { error: 'authorization_pending' } });
    expect(await ask(device, strict)).toMatchObject({ status: 400, body: { error: 'slow_down' } });
  });

  test('under another client', async () => {
    expect(await post('/user_management/authorize/device', { client_id: 'client_other' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_client' },
    });
  });
});
