import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { workosSeed } from '../../local/workos/directory/seed.ts';
import { startEnvironment } from '../unit/local/workos/environment.ts';
import { World } from '../world.ts';
import { CommandLine } from './command-line.ts';

const dir = mkdtempSync(join(tmpdir(), 'tenantry-cli-workos-'));
const world = new World();
const closed = { WORKOS_API_URL: 'http://127.0.0.1:9' };

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('an environment as WorkOS hands it out is checked, set up, and then has everything; the key is never shown', async () => {
  await using environment = await startEnvironment({ seed: workosSeed });
  const { apiKey, apiUrl, clientId, issuer } = environment.workos;
  const who = new CommandLine(dir, { WORKOS_API_KEY: apiKey, WORKOS_API_URL: apiUrl });
  const named = ['--client-id', clientId, '--oauth-issuer', issuer, '--webhook-url', 'https://tenantry.example.com/webhooks/workos'];

  const before = await who.run(['workos', 'check', ...named]);
  expect(before.stdout).toMatch(/^permission tenants:read +missing/m);
  expect(before.stdout).toMatch(/What to do:\n[\s\S]*tenantry workos setup/);
  expect(before.code).toBe(9);

  const unasked = await who.run(['workos', 'setup', ...named]);
  expect(unasked).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--yes') });
  expect(environment.workos.roles().map(({ slug }) => slug)).not.toContain('platform-admin');

  const made = await who.run(['workos', 'setup', '--yes', ...named]);
  expect(made.stdout).toMatch(/^role platform-admin +created/m);
  expect(made.stdout).toMatch(/^WORKOS_WEBHOOK_SECRET=\S{10,}$/m);
  expect(environment.workos.roles().map(({ slug }) => slug)).toContain('platform-admin');

  const after = await who.json<{ item: string; state: string }[]>(['workos', 'check', ...named]);
  expect(after.value.filter(({ state }) => state === 'missing')).toEqual([]);
  expect(after.code).toBe(after.value.some(({ state }) => state === 'manual') ? 9 : 0);
  for (const { stdout, stderr } of [before, unasked, made, after]) expect(`${stdout}${stderr}`).not.toContain(apiKey);
});

test('the control plane tells client ID and AuthKit domain, but not where the key is sent', async () => {
  const { adminUrl, adminToken, workos } = world.context;
  const who = new CommandLine(dir, { TENANTRY_URL: adminUrl, TENANTRY_TOKEN: adminToken, WORKOS_API_KEY: workos.apiKey });
  const { stdout } = await who.run(['workos', 'check'], { env: { WORKOS_API_URL: workos.apiUrl } });
  expect(stdout).toMatch(/^role platform-admin +ok/m);
  expect((await who.run(['workos', 'check'], { env: closed })).code).toBe(6);
});

test.each([
  ['no key', { WORKOS_API_KEY: '' }, 2, /Set WORKOS_API_KEY/],
  ['a wrong key', { WORKOS_API_KEY: 'sk_test_wrongwrongwrong' }, 4, /refused the API key/],
  ['a key sent in the clear', { WORKOS_API_URL: 'http://workos.example.com' }, 2, /must be https/],
  ['WorkOS away', closed, 6, /did not answer/],
] as const)('is told: %s', async (_what, env, code, message) => {
  const { workos } = world.context;
  const who = new CommandLine(dir, { WORKOS_API_KEY: workos.apiKey, WORKOS_API_URL: workos.apiUrl });
  const ran = await who.run(['workos', 'check', '--client-id', workos.clientId, '--oauth-issuer', workos.issuer], { env });
  expect(ran).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
  expect(ran.stderr).not.toContain('wrongwrong');
});
