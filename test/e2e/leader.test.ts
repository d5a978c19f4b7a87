import { expect, test } from 'vitest';
import { Reflector } from '../../kube/reflector.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { manifest } from '../customer.ts';
import { World } from '../world.ts';
import { ClusterNode } from './node.ts';
import { containerOf, type Pod } from './pods.ts';

const world = new World();
const node = new ClusterNode(world.context.kubeconfig);
const namespace = 'tenantry-system';

type Lease = KubeObject & { spec?: { holderIdentity?: string; leaseTransitions?: number } };

const lease = (): Promise<Lease> => world.kube.get<Lease>(kinds.Lease, 'tenantry-operator', { namespace });
const holder = async (): Promise<string> => (await lease()).spec?.holderIdentity ?? '';

/** Resolves with the replica that leads in place of `former`. */
function successor(former: string): Promise<string> {
  return world.eventually('another leader', 40_000, async () => {
    const now = await holder();
    return now !== '' && now !== former ? now : undefined;
  });
}

async function createAndRemove(): Promise<void> {
  const name = world.name('leader');
  await world.kubectl(['apply', '-f', '-'], manifest(name, { deletionPolicy: 'delete' }));
  await world.ready(name);
  await world.remove(name);
}

test('a frozen leader is replaced and writes nothing when it wakes up', async () => {
  const former = await world.eventually('a leader', 30_000, async () => (await holder()) || undefined);
  const container = containerOf(await world.kube.get<Pod>(kinds.Pod, former, { namespace }), 'operator');
  const pid = await node.processOf(container.containerID);
  const before = await lease();
  process.kill(pid, 'SIGSTOP');
  const leader = await successor(former);
  expect((await lease()).spec?.leaseTransitions).toBe((before.spec?.leaseTransitions ?? 0) + 1);
  // Before the node agent finds it dead and ends it itself.
  process.kill(pid, 'SIGCONT');
  // It ends at once and comes back as a replica that stands by.
  await world.object<Pod>(kinds.Pod, former, namespace, (pod) => {
    const status = pod?.status?.containerStatuses?.find(({ name }) => name === 'operator');
    return (status?.restartCount ?? 0) > container.restartCount && status?.ready === true;
  });
  const log = await node.kubectl.run(['logs', '-n', namespace, former, '-c', 'operator', '--previous']);
  expect(log).toContain('another replica leads');
  expect(await holder()).toBe(leader);
  await createAndRemove();
});

test('an operator that is terminated hands over the lease at once', async () => {
  const former = await world.eventually('a leader', 30_000, async () => (await holder()) || undefined);
  const holders: (string | undefined)[] = [];
  const watching = new AbortController();
  const leases = new Reflector<Lease>({
    client: world.kube,
    resource: kinds.Lease,
    namespace,
    fieldSelector: 'metadata.name=tenantry-operator',
    onChange: (_key, current) => holders.push(current?.spec?.holderIdentity),
  });
  await leases.start(watching.signal);
  await world.kube.delete(kinds.Pod, former, { namespace });
  const leader = await successor(former);
  await world.eventually('the watch tells of it', 10_000, async () => (holders.includes(leader) ? true : undefined));
  watching.abort();
  // Given up, not run out: nobody held it in between.
  expect(holders.slice(0, holders.indexOf(leader)).at(-1)).toBe('');
  await createAndRemove();
});
