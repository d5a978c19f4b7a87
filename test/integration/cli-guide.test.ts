import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { World } from '../world.ts';

const world = new World();
const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const home = mkdtempSync(join(tmpdir(), 'tenantry-cli-guide-'));
const guide = readFileSync(join(root, 'docs/guides/command-line.md'), 'utf8');

afterAll(() => rmSync(home, { recursive: true, force: true }));

test('docs/guides/command-line.md does what it says, command by command', { timeout: 240_000 }, async () => {
  const script = [...guide.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join('\n');
  const { adminUrl, adminToken, kubeconfig } = world.context;
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, TENANTRY_URL: adminUrl, TENANTRY_TOKEN: adminToken, KUBECONFIG: kubeconfig };
  const { stdout, stderr } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: root, env, maxBuffer: 10 << 20 });
  expect(stdout).toMatch(/^Permissions: .*tenants:write/m);
  expect(stdout).toMatch(/^umbrella +toolbridge +Ready +True/m);
  expect(stdout).toContain('claude mcp add --transport http umbrella ');
  expect(stdout).toMatch(/"displayName": "Umbrella Corporation"/);
  expect(stdout).toMatch(/^[0-9A-Za-z]{12} +nightly +mcp:read +/m);
  expect(stdout).toMatch(/^handshake +ok/m);
  expect(stdout).toMatch(/^Nothing is broken/m);
  expect(stdout).toMatch(/ tenants\.create +umbrella /);
  expect(stderr).toContain('umbrella is gone; its data was deleted.');
});
