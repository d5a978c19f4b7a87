import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkOS } from '@workos-inc/node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkWorkos, ProviderUnavailable, setupWorkos, type WorkosSetupOptions } from '../../../control-plane/workos-setup/setup.ts';
import { workosSeed } from '../../../local/workos/directory/seed.ts';
import { startWorkos, type WorkosStandIn } from '../../../local/workos/start.ts';

let dir: string;
let workos: WorkosStandIn;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenantry-setup-'));
  workos = await startWorkos({ port: 0, dir, seed: workosSeed });
});

afterEach(async () => {
  await workos.close();
  await rm(dir, { recursive: true, force: true });
});

function options(change: Partial<WorkosSetupOptions> = {}): WorkosSetupOptions {
  const { apiKey, clientId, apiUrl, issuer } = workos;
  return {
    apiKey,
    clientId,
    apiUrl,
    oauthIssuer: issuer,
    redirectUris: ['http://127.0.0.1/callback'],
    webhookUrl: 'https://admin.tenantry.example/webhooks/workos',
    signal: new AbortController().signal,
    ...change,
  };
}

const states = (findings: readonly { item: string; state: string }[]) =>
  Object.fromEntries(findings.map(({ item, state }) => [item, state]));

test('check lists what a new environment lacks and changes nothing', async () => {
  const findings = await checkWorkos(options());
  expect(states(findings)).toEqual({
    'client ID': 'ok',
    'permission tenants:read': 'missing',
    'permission tenants:write': 'missing',
    'permission tenants:delete': 'missing',
    'permission tenants:rotate': 'missing',
    'permission audit:read': 'missing',
    'permission templates:write': 'missing',
    'role platform-admin': 'missing',
    'role platform-viewer': 'missing',
    'role tenant-admin': 'missing',
    'role member': 'ok',
    'role viewer': 'missing',
    'redirect URI http://127.0.0.1/callback': 'unknown',
    'webhook endpoint': 'missing',
    'AuthKit domain': 'ok',
    'Client ID Metadata Documents': 'ok',
    'Dynamic Client Registration': 'ok',
  });
  expect(findings.filter(({ state }) => state !== 'ok').every(({ remedy }) => remedy !== undefined)).toBe(true);
  expect(await checkWorkos(options())).toEqual(findings);
});

test('setup creates what is missing, shows the secret once, and can be repeated', async () => {
  const first = await setupWorkos(options());
  expect(new Set(first.findings.map(({ state }) => state))).toEqual(new Set(['ok', 'created']));
  expect(first.webhookSecret).toEqual(expect.any(String));
  const second = await setupWorkos(options());
  expect(new Set(second.findings.map(({ state }) => state))).toEqual(new Set(['ok']));
  expect(second.webhookSecret).toBeUndefined();
  expect(
    workos
      .roles()
      .find(({ slug }) => slug === 'tenant-admin')
      ?.permissions.toSorted(),
  ).toEqual(['audit:read', 'tenants:read', 'tenants:rotate', 'tenants:write']);
});

test('setup adds missing permissions to a role and keeps others', async () => {
  await setupWorkos(options());
  const sdk = new WorkOS(workos.apiKey, { apiHostname: 'localhost', https: false, port: workos.port });
  await sdk.authorization.createPermission({ slug: 'own:thing', name: 'Own' });
  await sdk.authorization.setEnvironmentRolePermissions('platform-viewer', { permissions: ['tenants:read', 'own:thing'] });
  const finding = (await checkWorkos(options())).find(({ item }) => item === 'role platform-viewer');
  expect(finding).toMatchObject({ state: 'missing', detail: 'Lacks audit:read.' });
  const { findings } = await setupWorkos(options());
  expect(states(findings)['role platform-viewer']).toBe('changed');
  expect(
    workos
      .roles()
      .find(({ slug }) => slug === 'platform-viewer')
      ?.permissions.toSorted(),
  ).toEqual(['audit:read', 'own:thing', 'tenants:read']);
});

test('setup repairs a webhook endpoint', async () => {
  await setupWorkos(options());
  const sdk = new WorkOS(workos.apiKey, { apiHostname: 'localhost', https: false, port: workos.port });
  const { data } = await sdk.webhooks.listWebhookEndpoints();
  await sdk.webhooks.updateWebhookEndpoint({ id: data[0]?.id ?? '', events: ['user.deleted'], status: 'disabled' });
  const finding = (await checkWorkos(options())).find(({ item }) => item === 'webhook endpoint');
  expect(finding).toMatchObject({ state: 'missing', detail: expect.stringMatching(/organization_membership.deleted.*disabled/) });
  expect(states((await setupWorkos(options())).findings)['webhook endpoint']).toBe('changed');
  expect(states(await checkWorkos(options()))['webhook endpoint']).toBe('ok');
});

const setRegistration = (switches: { cimd: boolean; dcr: boolean }): Promise<Response> =>
  fetch(`${workos.apiUrl}/stand-in/registration`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${workos.apiKey}` },
    body: JSON.stringify(switches),
  });

test('check accepts disabled Dynamic Client Registration with CIMD', async () => {
  await setRegistration({ cimd: true, dcr: false });
  const found = await checkWorkos(options());
  expect(found.find(({ item }) => item === 'Dynamic Client Registration')).toMatchObject({
    state: 'ok',
    detail: expect.stringContaining('must be registered beforehand'),
  });
  await setRegistration({ cimd: true, dcr: true });
});

test('check names the place of steps in the dashboard', async () => {
  await setRegistration({ cimd: false, dcr: false });
  const { findings } = await setupWorkos(options({ clientId: 'client_01OTHER' }));
  const people = findings.filter(({ state }) => state === 'manual');
  expect(people.map(({ item }) => item)).toEqual(['client ID', 'Client ID Metadata Documents', 'Dynamic Client Registration']);
  expect(people.every(({ remedy }) => remedy?.includes('WorkOS Dashboard >'))).toBe(true);
});

test('check reports a wrong AuthKit domain and requires no webhook without a URL', async () => {
  const findings = states(await checkWorkos(options({ oauthIssuer: `${workos.issuer}/nothing`, webhookUrl: undefined })));
  expect(findings).toMatchObject({ 'AuthKit domain': 'manual', 'webhook endpoint': 'ok' });
});

test('check reports a refused API key', async () => {
  const failure = checkWorkos(options({ apiKey: 'sk_test_wrong' }));
  await expect(failure).rejects.toBeInstanceOf(ProviderUnavailable);
  await expect(failure).rejects.toThrow(/refused the API key.*WORKOS_API_KEY/);
});
