import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { platformOrganization } from '../../../local/demo.ts';
import { startWorkos, type WorkosStandIn } from '../../../local/workos/start.ts';

const start = new URL('../../../local/start.ts', import.meta.url).pathname;
let dir: string;
let workos: WorkosStandIn;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tenantry-environment-'));
  chmodSync(dir, 0o711);
  workos = await startWorkos({ port: 0, dir: join(dir, 'workos') });
});

afterAll(async () => {
  await workos.close();
  rmSync(dir, { recursive: true, force: true });
});

async function run(environment: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [start, '--workos', '--once'], { env: { PATH, HOME, ...environment }, cwd: dir });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += String(chunk);
    });
  }
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, output };
}

test('an environment of its own is used by its key, and nothing is left there', async () => {
  const organization = platformOrganization(workos);
  const organizations = workos.requests()['POST /organizations'];
  const { code, output } = await run({
    WORKOS_API_KEY: workos.apiKey,
    WORKOS_CLIENT_ID: workos.clientId,
    WORKOS_API_URL: workos.apiUrl,
    TENANTRY_OAUTH_ISSUER: workos.issuer,
    TENANTRY_ADMIN_ISSUER: workos.adminIssuer,
    TENANTRY_PLATFORM_ORGANIZATION_ID: organization.id,
  });
  expect(output).toContain('tools, with its API key: 40');
  expect(output).toContain('everything has stopped and its folder is removed');
  expect(code).toBe(0);
  expect(output).not.toContain(workos.apiKey);
  expect(workos.requests()['GET /events']).toBeGreaterThan(0);
  expect(workos.requests()['POST /organizations']).toBe(organizations);
  expect(workos.resources()).toEqual([]);
});

test('what names an environment is asked for by name', async () => {
  const { code, output } = await run({ WORKOS_API_KEY: 'sk_test_hidden', TENANTRY_OAUTH_ISSUER: 'nonsense' });
  expect(code).toBe(2);
  expect(output).toMatch(/WORKOS_CLIENT_ID is not set: .*dashboard/);
  expect(output).toMatch(/TENANTRY_OAUTH_ISSUER must be your AuthKit domain/);
  expect(output).toContain('npm start [-- --once | --fresh] [--workos]');
  expect(output).not.toContain('sk_test_hidden');
});
