import { afterAll, beforeAll, expect, test } from 'vitest';
import { namespaceOf } from '../../../crds/names.ts';
import type { StackTemplate } from '../../../crds/stack-template.ts';
import type { Tenant } from '../../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import { mcpOf, statusWith } from '../../customer.ts';
import { World } from '../../world.ts';

const world = new World();
const name = world.name('suspended');
const template = world.name('template');
const namespace = namespaceOf(name);
let mcp: string;
let apiKey: string;

beforeAll(async () => {
  const { spec } = await world.kube.get<StackTemplate>(kinds.StackTemplate, 'toolbridge');
  await world.kube.create(kinds.StackTemplate, { metadata: { name: template }, ...{ spec } });
  await world.kube.create(kinds.Tenant, { metadata: { name }, ...{ spec: { template: { name: template }, deletionPolicy: 'delete' } } });
  mcp = mcpOf(await world.ready(name));
  ({ apiKey = '' } = await world.secret(name, 'tenantry-credentials'));
});

afterAll(async () => {
  await world.remove(name);
  await world.kube.delete(kinds.StackTemplate, template);
});

const change = (spec: object): Promise<Tenant> => world.kube.patch<Tenant>(kinds.Tenant, name, { spec });
const saysOf = ({ status }: Tenant, type: string) => status?.conditions?.find((condition) => condition.type === type);

const podsGone = () =>
  world.eventually('the end of the pods', 60_000, async () => {
    const { items } = await world.kube.list<KubeObject>(kinds.Pod, { namespace, labelSelector: 'app.kubernetes.io/component=stack' });
    return items.length === 0 ? true : undefined;
  });

/** Suspends the tenant while something holds it up, sees its pods go and stay away, and has it serve again without either. */
async function suspendWhile(heldUp: (tenant: Tenant) => boolean, release: () => Promise<unknown>): Promise<void> {
  await world.until(name, heldUp);
  expect(await statusWith(mcp, apiKey)).toBe(200);
  await change({ suspended: true });
  await podsGone();
  expect(await statusWith(mcp, apiKey)).not.toBe(200);
  const told = await world.until(name, (tenant) => saysOf(tenant, 'WorkloadAvailable')?.reason === 'Suspended');
  expect(heldUp(told)).toBe(true);
  await release();
  await change({ suspended: false });
  await world.ready(name);
  await world.eventually('an answer', 60_000, async () => ((await statusWith(mcp, apiKey)) === 200 ? true : undefined));
}

test('a tenant whose parameters do not fit is suspended all the same', async () => {
  await change({ parameters: { colour: 'blue' } });
  await suspendWhile(
    (tenant) => saysOf(tenant, 'Stalled')?.reason === 'ParametersInvalid',
    () => change({ parameters: null }),
  );
}, 240_000);

test('a tenant whose migration does not get through is suspended all the same', async () => {
  const { spec } = await world.kube.get<StackTemplate>(kinds.StackTemplate, template);
  const migrateBy = (args: readonly string[]) =>
    world.kube.patch(kinds.StackTemplate, template, { spec: { database: { migration: { args } } } });
  await migrateBy(['no-such-program', 'migrate']);
  await suspendWhile(
    (tenant) => ['Migrating', 'MigrationFailed'].includes(saysOf(tenant, 'DatabaseReady')?.reason ?? ''),
    () => migrateBy(spec.database?.migration?.args ?? []),
  );
}, 240_000);
