import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { dataOf } from '../../control-plane/client/client.ts';
import { findBinaries } from '../../local/kubernetes/binaries.ts';
import { World } from '../world.ts';

const world = new World();
const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

/** The shell snippets of a document, in order. */
function snippets(file: string): string[] {
  return [...readFileSync(resolve(root, file), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
}

/** Runs a document's snippets in one shell, with the paths of the local state replaced by those of this run. */
async function follow(file: string, files: { kubeconfig: string; local?: string }): Promise<string> {
  const script = snippets(file)
    .join('\n')
    .replaceAll('$PWD/.tenantry/kubernetes/admin.kubeconfig', files.kubeconfig)
    .replaceAll('.tenantry/local.json', files.local ?? '.tenantry/local.json');
  const binaries = dirname(findBinaries().kubectl);
  const env = { PATH: `${binaries}:${process.env['PATH']}`, HOME: world.context.folder, KUBEBUILDER_ASSETS: binaries };
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: root, env, maxBuffer: 10 << 20 });
  return stdout;
}

test('docs/guides/your-own-api.md does what it says, command by command', async () => {
  const stdout = await follow('docs/guides/your-own-api.md', world.context);
  expect(stdout).toContain('tenant.tenantry.dev/quotes condition met');
  expect(stdout).toContain('Ada Lovelace');
  expect(stdout).toContain('tenant.tenantry.dev "quotes" deleted');
});

test('README.md does what it says, command by command', async () => {
  const name = world.name('readme');
  dataOf(await world.admin.POST('/admin/tenants', { body: { name, template: { name: 'toolbridge' }, deletionPolicy: 'delete' } }));
  const tenant = await world.ready(name);
  const { apiKey } = await world.secret(name, 'tenantry-credentials');
  const local = join(world.context.folder, 'readme.json');
  const { adminUrl, adminToken } = world.context;
  writeFileSync(local, JSON.stringify({ adminUrl, adminToken, tenants: [{ apiKey, mcpUrl: tenant.status?.endpoints?.mcp }] }), {
    mode: 0o600,
  });
  const stdout = await follow('README.md', { kubeconfig: world.context.kubeconfig, local });
  expect(stdout).toContain('"list_notes"');
  expect(stdout).toContain('tenant.tenantry.dev/initech condition met');
  expect(stdout).toMatch(/hooli +toolbridge +True +http/);
  expect(stdout).toContain('tenant.tenantry.dev "hooli" deleted');
  await world.remove(name);
});
