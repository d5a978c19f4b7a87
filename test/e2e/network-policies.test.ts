import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { nodeImages } from './cluster/images.ts';
import { ClusterNode } from './node.ts';

/** That the cluster enforces NetworkPolicies at all: without this, tests in which nothing answers would prove nothing. */
const node = new ClusterNode(inject('cluster').kubeconfig);
const namespace = 'network-policies';
const port = 5353;

function pod(name: string): object {
  // A server that needs nothing but its port.
  const container = { name, image: nodeImages.coredns, imagePullPolicy: 'Never', args: ['-dns.port', String(port)] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, spec: { containers: [container] } };
}

const closed = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'closed', namespace },
  spec: { podSelector: {}, policyTypes: ['Ingress'] },
};

beforeAll(async () => {
  await node.kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }]);
  await node.kubectl.apply([pod('one'), pod('other')]);
  await node.kubectl.run(['-n', namespace, 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
});

afterAll(async () => {
  await node.kubectl.run(['delete', 'namespace', namespace]);
});

/** What comes of a connection from one pod to the other, as soon as it is `expected`, or what it is in the end. */
async function connection(expected: string): Promise<string> {
  const field = async (name: string, path: string): Promise<string> =>
    node.kubectl.run(['-n', namespace, 'get', 'pod', name, '-o', `jsonpath={.status.${path}}`]);
  const [from, to] = [await field('one', 'containerStatuses[0].containerID'), await field('other', 'podIP')];
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await node.connect(from, to, port, 1_000);
    if (found === expected || Date.now() > deadline) return found;
  }
}

test('the cluster enforces a NetworkPolicy while it exists', async () => {
  expect(await connection('connected')).toBe('connected');
  await node.kubectl.apply([closed]);
  expect(await connection('no answer')).toBe('no answer');
  await node.kubectl.run(['-n', namespace, 'delete', 'networkpolicy', 'closed']);
  expect(await connection('connected')).toBe('connected');
});
