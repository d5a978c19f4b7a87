import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namespaceOf } from '../../crds/names.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { type Customer, mcpOf, newCustomer, statusWith, viaKubectl } from '../customer.ts';
import { World } from '../world.ts';
import { ClusterNode } from './node.ts';
import { containerOf, type Pod, podOf, servingPod } from './pods.ts';

/** Two tenants on one node: what one reaches of the other over the pod network. */
const world = new World();
const node = new ClusterNode(world.context.kubeconfig);
let first: Customer;
let second: Customer;
let firstPod: Pod;
let secondPod: Pod;

beforeAll(async () => {
  [first, second] = await Promise.all([newCustomer(world, viaKubectl), newCustomer(world, viaKubectl)]);
  [firstPod, secondPod] = await Promise.all([podOf(world, first.name), podOf(world, second.name)]);
});

afterAll(async () => {
  await world.remove(...[first, second].filter((made) => made !== undefined).map(({ name }) => name));
});

const addressOf = (pod: Pod): string => pod.status?.podIP ?? '';
const connect = (host: string, port: number) => node.connect(containerOf(firstPod, 'mcp').containerID, host, port);

async function serviceAddress(tenant: string): Promise<string> {
  const { spec } = await world.kube.get<KubeObject & { spec: { clusterIP: string } }>(kinds.Service, 'stack', {
    namespace: namespaceOf(tenant),
  });
  return spec.clusterIP;
}

describe('a pod of a tenant', () => {
  test('reaches itself, its database, the control plane and DNS', async () => {
    expect(await connect(addressOf(firstPod), 8081)).toBe('connected');
    const { hostname, port } = new URL((await world.secret(first.name, 'tenantry-database'))['url'] ?? '');
    expect(await connect(hostname, Number(port))).toBe('connected');
    const { spec } = await world.kube.get<KubeObject & { spec: { clusterIP: string } }>(kinds.Service, 'tenantry-control-plane', {
      namespace: 'tenantry-system',
    });
    expect(await connect(spec.clusterIP, 8080)).toBe('connected');
  });

  test('runs without root, capabilities, writable root folder and Kubernetes token', async () => {
    for (const container of ['api', 'mcp']) {
      const pod = { namespace: namespaceOf(first.name), name: firstPod.metadata.name, container };
      const script = `const fs = require('node:fs');
        const tried = (action) => { try { action(); return 'done'; } catch (error) { return error.code; } };
        console.log(JSON.stringify({
          user: process.getuid(),
          capabilities: /CapEff:\\s*(\\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1],
          write: tried(() => fs.writeFileSync('/app/x', '')),
          token: tried(() => fs.readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/token')),
        }));`;
      const found: unknown = JSON.parse(await node.exec(pod, ['node', '-e', script]));
      expect(found, container).toEqual({ user: 65532, capabilities: '0000000000000000', write: 'EROFS', token: 'ENOENT' });
    }
  });

  test("is refused by another tenant's endpoint through the route", async () => {
    const mcp = second.tenant.status?.endpoints?.mcp ?? '';
    expect(await statusWith(mcp, first.apiKey)).toBe(401);
    expect(await statusWith(mcp, first.session.accessToken)).toBe(401);
  });
});

test('a tenant refuses keys of other tenants behind the network policies', async () => {
  const url = `http://${addressOf(secondPod)}:8001${new URL(mcpOf(second.tenant)).pathname}`;
  const script = `const [url, ...keys] = process.argv.slice(1);
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const ask = (key) => fetch(url, { method: 'POST', body, headers: { ...headers, authorization: 'Bearer ' + key } }).then((r) => r.status);
    Promise.all(keys.map(ask)).then((answers) => console.log(JSON.stringify(answers)));`;
  const operator = await servingPod(world, 'tenantry-system', 'app.kubernetes.io/component=operator');
  const from = { namespace: 'tenantry-system', name: operator.metadata.name, container: 'operator' };
  const answers: unknown = JSON.parse(await node.exec(from, ['node', '-e', script, url, first.apiKey, second.apiKey]));
  expect(answers).toEqual([401, 200]);
});

describe('network policies', () => {
  test.each([8001, 8081])("block port %d of another tenant's pod", async (port) => {
    expect(await connect(addressOf(secondPod), port)).toBe('no answer');
  });

  test("block another tenant's Service, the Kubernetes API and the operator", async () => {
    const operator = await world.kube.get<KubeObject & { spec: { clusterIP: string } }>(kinds.Service, 'tenantry-operator', {
      namespace: 'tenantry-system',
    });
    expect(await connect(await serviceAddress(second.name), 8001)).toBe('no answer');
    expect(await connect('10.96.0.1', 443)).toBe('no answer');
    expect(await connect(operator.spec.clusterIP, 8080)).toBe('no answer');
  });
});
