import { expect, inject, test } from 'vitest';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import { manifest } from '../../customer.ts';
import { World } from '../../world.ts';
import { Installation, release } from '../installation.ts';

/** The end of the installation; nothing runs after it. */
const world = new World();
const installation = new Installation(inject('cluster'));
const inRelease = ['--namespace', release.namespace];

/** Names of what belongs to Tenantry on the cluster, whatever its kind. */
async function left(): Promise<string[]> {
  const { stdout } = await world.kubectl(['api-resources', '--verbs=list', '-o', 'name']);
  // Events and what the cluster makes of a namespace by itself are nobody's.
  const skipped = /^(events|secrets|configmaps|serviceaccounts)\b/;
  const types = stdout
    .trim()
    .split('\n')
    .filter((type) => !skipped.test(type));
  const found = await Promise.all(
    types.map(async (type) => {
      const listed = await world.kubectl(['get', type, '-A', '-o', 'name', '--ignore-not-found']);
      return listed.stdout.split('\n').filter((line) => /tenantry|tenant-/.test(line));
    }),
  );
  return found.flat().filter((name) => name !== `namespace/${release.namespace}`);
}

test('helm test makes a tenant, uses it and deletes it', { timeout: 300_000 }, async () => {
  const output = await installation.helm(['test', release.name, ...inRelease, '--logs', '--timeout', '240s']);
  expect(output).toMatch(/Phase:\s+Succeeded/);
  expect(output).toMatch(/MCP handshake at https:.*: 40 tools/);
  expect(await world.kube.find(kinds.Tenant, 'helm-test')).toBeUndefined();
});

test('helm uninstall refuses while a Tenant exists, and the tenant goes on', async () => {
  const name = world.name('stays');
  await world.kubectl(['apply', '-f', '-'], manifest(name, { deletionPolicy: 'delete' }));
  await world.ready(name);
  await expect(installation.helm(['uninstall', release.name, ...inRelease, '--timeout', '120s'])).rejects.toThrow(name);
  expect((await world.tenant(name)).metadata.deletionTimestamp).toBeUndefined();
  await world.ready(name);
  await world.remove(name);
});

test('helm uninstall leaves nothing once the last Tenant is gone', { timeout: 300_000 }, async () => {
  await installation.helm(['uninstall', release.name, ...inRelease, '--wait', '--timeout', '180s']);
  await world.object(kinds.CustomResourceDefinition, 'tenants.tenantry.dev', undefined, (object) => object === undefined);
  // Pods of the release end after helm has ended.
  await world.eventually('an empty namespace', 60_000, async () =>
    (await world.kube.list<KubeObject>(kinds.Pod, { namespace: release.namespace })).items.length === 0 ? true : undefined,
  );
  expect(await left()).toEqual([]);
});
