import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, inject, test } from 'vitest';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import { manifest } from '../../customer.ts';
import { World } from '../../world.ts';
import { Installation, release } from '../installation.ts';

/** The end of the installation; nothing runs after it. */
const world = new World();
const installation = new Installation(inject('cluster'));
const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../../..');
const inRelease = ['--namespace', release.namespace];

/** Names of what belongs to Tenantry on the cluster, whatever its kind. */
async function left(): Promise<string[]> {
  const { stdout } = await world.kubectl(['api-resources', '--verbs=list', '-o', 'name']);
  // Events tell of what was.
  const types = stdout
    .trim()
    .split('\n')
    .filter((type) => !/^events\b/.test(type));
  const found = await Promise.all(
    types.map(async (type) => {
      const listed = await world.kubectl(['get', type, '-A', '-o', 'name', '--ignore-not-found']);
      return listed.stdout.split('\n').filter((line) => /tenantry|tenant-/.test(line));
    }),
  );
  return found.flat().filter((name) => name !== `namespace/${release.namespace}`);
}

test('helm test creates, calls and deletes a tenant', { timeout: 300_000 }, async () => {
  const output = await installation.helm(['test', release.name, ...inRelease, '--logs', '--timeout', '240s']);
  expect(output).toMatch(/Phase:\s+Succeeded/);
  expect(output).toMatch(/MCP handshake at https:.*: 40 tools/);
  expect(await world.kube.find(kinds.Tenant, 'helm-test')).toBeUndefined();
});

test('helm uninstall refuses while a Tenant exists, and the tenant keeps serving', async () => {
  const name = world.name('stays');
  await world.kubectl(['apply', '-f', '-'], manifest(name, { deletionPolicy: 'delete' }));
  await world.ready(name);
  await expect(installation.helm(['uninstall', release.name, ...inRelease, '--timeout', '120s'])).rejects.toThrow(name);
  expect((await world.tenant(name)).metadata.deletionTimestamp).toBeUndefined();
  await world.ready(name);
  await world.remove(name);
});

test('helm uninstall leaves nothing without Tenants, even after a killed test', { timeout: 300_000 }, async () => {
  const testing = execFile('helm', ['test', release.name, ...inRelease]);
  const account = 'tenantry-check';
  type Checking = KubeObject & { status?: { phase?: string } };
  const phase = (wanted: string) => (pod: Checking | undefined) => pod?.status?.phase === wanted;
  await world.object<Checking>(kinds.Pod, account, release.namespace, phase('Running'));
  testing.kill('SIGKILL');
  // The pod goes on by itself and takes its tenant away again.
  await world.object<Checking>(kinds.Pod, account, release.namespace, phase('Succeeded'), 120_000);
  expect(await world.kube.find(kinds.ClusterRole, account)).toBeDefined();
  await installation.helm(['uninstall', release.name, ...inRelease, '--wait', '--timeout', '180s']);
  await world.object(kinds.CustomResourceDefinition, 'tenants.tenantry.dev', undefined, (object) => object === undefined);
  // Pods of the release end after helm has ended.
  await world.eventually('an empty namespace', 60_000, async () =>
    (await world.kube.list<KubeObject>(kinds.Pod, { namespace: release.namespace })).items.length === 0 ? true : undefined,
  );
  expect(await left()).toEqual([]);
});

test('the commands of README.md install Tenantry', { timeout: 400_000 }, async () => {
  const { namespace } = release;
  expect(await world.kubectl(['delete', 'namespace', namespace])).toMatchObject({ code: 0 });
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, commands = ''] = /^```bash\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  expect(commands).toContain('helm install');
  const here = mkdtempSync(join(tmpdir(), 'tenantry-readme-'));
  try {
    symlinkSync(join(root, 'charts'), join(here, 'charts'));
    for (const [file, contents] of Object.entries(installation.readersFiles())) writeFileSync(join(here, file), contents, { mode: 0o600 });
    const bash = (script: string) => run('bash', ['-euo', 'pipefail', '-c', script], { cwd: here, maxBuffer: 10 << 20 });
    const [before = '', after = ''] = commands.split(/^(?=helm install)/m);
    await bash(before);
    await installation.bringAuthority();
    const { stdout } = await bash(after);
    expect(stdout).toMatch(/Phase:\s+Succeeded/);
  } finally {
    rmSync(here, { recursive: true, force: true });
  }
  await installation.helm(['uninstall', release.name, ...inRelease, '--wait', '--timeout', '180s']);
});
