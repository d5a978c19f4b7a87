/** A roll-out of pods that do not start: status, Events and command line say so, and the old pod serves on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StackTemplate } from '../../../crds/stack-template.ts';
import type { Tenant } from '../../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import { mcpOf, statusWith } from '../../customer.ts';
import { World } from '../../world.ts';
import { CommandLine } from '../command-line.ts';

const world = new World();
const { kubeconfig, adminUrl, adminToken } = world.context;
const folder = mkdtempSync(join(tmpdir(), 'tenantry-rollout-'));
const administrator = new CommandLine(folder, { KUBECONFIG: kubeconfig, TENANTRY_URL: adminUrl, TENANTRY_TOKEN: adminToken });
const name = world.name('rollout');
let sound: StackTemplate['spec'];
let url: string;
let apiKey: string;

beforeAll(async () => {
  ({ spec: sound } = await world.kube.get<StackTemplate>(kinds.StackTemplate, 'toolbridge'));
  await world.kube.create(kinds.StackTemplate, { metadata: { name }, ...{ spec: sound } });
  await world.kube.create(kinds.Tenant, { metadata: { name }, ...{ spec: { template: { name }, deletionPolicy: 'delete' } } });
  url = mcpOf(await world.ready(name));
  ({ apiKey = '' } = await world.secret(name, 'tenantry-credentials'));
});

afterAll(async () => {
  await world.remove(name);
  await world.kube.delete(kinds.StackTemplate, name);
  rmSync(folder, { recursive: true, force: true });
});

const says = ({ status }: Tenant, type: string) => status?.conditions?.find((condition) => condition.type === type);

async function run(command: readonly string[] | undefined): Promise<void> {
  const [first, ...rest] = sound.containers;
  const containers = [{ ...first, ...(command === undefined ? {} : { command }) }, ...rest];
  await world.kube.patch(kinds.StackTemplate, name, { spec: { containers: command === undefined ? sound.containers : containers } });
}

async function stallEvents(): Promise<string[]> {
  const { items } = await world.kube.list<KubeObject>(kinds.Event, { namespace: 'default' });
  const events = items as (KubeObject & { reason: string; type: string; message: string; involvedObject: { name: string } })[];
  return events.filter((event) => event.involvedObject.name === name && event.reason === 'Stalled').map(({ message }) => message);
}

test('a template whose program ends stalls its tenant while the old pod serves', async () => {
  const seen = new Set<string>();
  const stalled = world.until(name, (tenant) => {
    seen.add(`${says(tenant, 'Reconciling')?.status} ${says(tenant, 'Stalled')?.status}`);
    return says(tenant, 'Stalled')?.status === 'True';
  });
  await run(['node', '-e', 'process.exit(1)']);
  const tenant = await stalled;
  expect(seen).toContain('True False');
  expect(says(tenant, 'Stalled')).toMatchObject({ reason: 'CrashLoop', message: expect.stringContaining('kubectl logs') });
  expect(says(tenant, 'Ready')).toMatchObject({ status: 'True', message: expect.stringContaining('but its new pods do not') });
  expect(tenant.status?.phase).toBe('Degraded');
  expect(await statusWith(url, apiKey)).toBe(200);
  const events = await world.eventually('the Event', 30_000, async () => {
    const found = await stallEvents();
    return found.length > 0 ? found : undefined;
  });
  expect(events).toEqual([expect.stringContaining('CrashLoop')]);
}, 240_000);

test('the command line reports it at once', async () => {
  const updated = await administrator.run(['tenants', 'update', name, '--set', 'displayName=Acme', '--wait', '--timeout', '60s']);
  expect(updated).toMatchObject({ code: 9, stderr: expect.stringContaining('CrashLoop') });
  const diagnosed = await administrator.run(['diagnose', name]);
  expect(diagnosed).toMatchObject({ code: 9, stdout: expect.stringContaining('CrashLoop') });
}, 240_000);

test('a mended template ends it', async () => {
  await run(undefined);
  const tenant = await world.until(
    name,
    (one) => says(one, 'Reconciling')?.reason === 'Settled' && says(one, 'Stalled')?.status === 'False',
  );
  expect(tenant.status?.phase).toBe('Ready');
  expect(says(tenant, 'Ready')?.message).toBe('The tenant serves.');
  const updated = await administrator.run(['tenants', 'update', name, '--set', 'displayName=Acme Inc.', '--wait']);
  expect(updated.code).toBe(0);
  // One for each roll-out that failed: of the template, and of the display name.
  expect(await stallEvents()).toHaveLength(2);
}, 240_000);
