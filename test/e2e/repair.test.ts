import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namespaceOf } from '../../crds/names.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { callTool } from '../../local/mcp-requests.ts';
import { type Customer, manifest, mcpOf, newCustomer, statusWith, viaKubectl } from '../customer.ts';
import { World } from '../world.ts';
import { ClusterNode } from './node.ts';
import { containerOf, podOf } from './pods.ts';

const world = new World();
const node = new ClusterNode(world.context.kubeconfig);
let customer: Customer;

beforeAll(async () => {
  customer = await newCustomer(world, viaKubectl);
});

afterAll(async () => {
  if (customer !== undefined) await world.remove(customer.name);
});

const answered = async (): Promise<true | undefined> =>
  (await statusWith(mcpOf(customer.tenant), customer.apiKey)) === 200 ? true : undefined;

describe('a tenant on a real node', () => {
  test.each(['mcp', 'api'])('serves again after container %s was killed', async (name) => {
    const before = containerOf(await podOf(world, customer.name), name);
    await node.killContainer(before.containerID);
    await world.eventually('a new container', 60_000, async () => {
      const now = containerOf(await podOf(world, customer.name), name);
      return now.restartCount > before.restartCount && now.containerID !== before.containerID ? true : undefined;
    });
    await world.eventually('an answer', 60_000, answered);
    await world.ready(customer.name);
    await callTool(customer.session.client, 'create_note', { title: `after ${name}` });
  });

  test('serves from the same pod after a restart of the kubelet', async () => {
    const before = await podOf(world, customer.name);
    await node.restartAgent();
    await world.eventually('an answer', 60_000, answered);
    await world.ready(customer.name);
    const after = await podOf(world, customer.name);
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(containerOf(after, 'mcp').restartCount).toBe(containerOf(before, 'mcp').restartCount);
  });

  test('serves without interruption while its pods are replaced', async () => {
    const before = await podOf(world, customer.name);
    const generation = (await world.tenant(customer.name)).metadata.generation ?? 0;
    let over = false;
    const asking = (async () => {
      const failed: (number | string)[] = [];
      while (!over) {
        const status = await statusWith(mcpOf(customer.tenant), customer.apiKey).catch((error: Error) => String(error.cause ?? error));
        if (status !== 200) failed.push(status);
      }
      return failed;
    })();
    const spec = { parameters: { logLevel: 'debug' } };
    await world.kube.patch(kinds.Tenant, customer.name, { spec });
    await world.until(customer.name, (tenant) => (tenant.status?.observedGeneration ?? 0) > generation);
    await world.eventually('the old pod is gone', 90_000, async () =>
      (await world.kube.find(kinds.Pod, before.metadata.name, { namespace: namespaceOf(customer.name) })) === undefined ? true : undefined,
    );
    over = true;
    expect(await asking).toEqual([]);
    expect((await podOf(world, customer.name)).metadata.uid).not.toBe(before.metadata.uid);
  });
});

describe('a tenant with an image that does not exist', () => {
  test('has a condition that says so, and recovers once the image is corrected', async () => {
    const [template, name] = [world.name('image'), world.name('image')];
    const { spec } = await world.kube.get<KubeObject & { spec: { containers: { image: string }[] } }>(kinds.StackTemplate, 'toolbridge');
    const [{ image: right = '' } = {}] = spec.containers;
    const withImage = (image: string): object => ({
      metadata: { name: template },
      spec: { ...spec, containers: spec.containers.map((container) => ({ ...container, image })) },
    });
    const wrong = 'localhost:1/tenantry/missing:0';
    await world.kube.create(kinds.StackTemplate, withImage(wrong) as KubeObject);
    try {
      await world.kubectl(['apply', '-f', '-'], manifest(name, { template: { name: template }, deletionPolicy: 'delete' }));
      const stuck = await world.until(name, (tenant) =>
        Boolean(tenant.status?.conditions?.some(({ type, reason }) => type === 'WorkloadAvailable' && reason === 'ImagePullFailed')),
      );
      const { message = '' } = stuck.status?.conditions?.find(({ type }) => type === 'WorkloadAvailable') ?? {};
      expect(message).toContain(wrong);
      expect(message).toContain('Correct the image');
      await world.kube.patch(kinds.StackTemplate, template, { spec: (withImage(right) as { spec: object }).spec });
      await world.ready(name);
    } finally {
      await world.remove(name);
      await world.kube.delete(kinds.StackTemplate, template);
    }
  });
});
