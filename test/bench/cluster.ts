/**
 * `npm run bench:cluster`: what Tenantry adds on a real node, each figure beside what it is compared to, in one run. Creation is timed in
 * turns with a bare Deployment of the same pod, so that both meet the same machine.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isTrue } from '../../crds/conditions.ts';
import { namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { KubeClient } from '../../kube/client.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { isReady, untilTenant } from '../../kube/until-tenant.ts';
import { connectWithToken } from '../../local/sign-in.ts';
import { readContext } from '../e2e/cluster/context.ts';
import { Installation, release } from '../e2e/installation.ts';
import { ClusterNode } from '../e2e/node.ts';
import { containerOf, type Pod } from '../e2e/pods.ts';

const rounds = Number(process.env['ROUNDS'] ?? 10);
const load = { clients: 50, seconds: 10 };
const { TENANTRY_E2E_RUN: folder = '', TENANTRY_E2E_IMAGES: images = '' } = process.env;
const context = readContext(folder);
const client = KubeClient.fromConfig({ kubeconfig: context.kubeconfig, userAgent: 'tenantry-bench' });
const node = new ClusterNode(context.kubeconfig);
const timeoutMs = 180_000;
const fieldManager = 'tenantry-bench';

const since = (began: number): number => (performance.now() - began) / 1000;
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const range = (values: readonly number[]): string => `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;
const seconds = (value: number): string => `${value.toFixed(2)} s`;
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const say = (line: string): void => console.log(line);

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

/** A stack without a database: the API of the guide, from the image that every tenant has. */
const withoutDatabase = {
  metadata: { name: 'bench' },
  spec: {
    displayName: 'Bench',
    containers: [
      {
        name: 'api',
        image: `docker.io/tenantry/tenant:${version}`,
        command: ['node', '--input-type=module', '-e', readFileSync('docs/guides/quotes/server.mjs', 'utf8')],
        readyPath: '/healthz',
      },
    ],
    upstreamAuth: { mode: 'none' },
  },
};

async function createTenant(name: string, template: string): Promise<number> {
  const began = performance.now();
  const spec = { template: { name: template }, deletionPolicy: 'delete' };
  await client.create(kinds.Tenant, { metadata: { name }, ...{ spec } }, { fieldManager });
  await untilTenant(client, name, isReady, { timeoutMs });
  return since(began);
}

type Deployment = KubeObject & {
  readonly spec: object;
  readonly status?: { readonly observedGeneration?: number; readonly availableReplicas?: number };
};

/** The same pod as the tenant's, without Tenantry: its Deployment with what that mounts, in a namespace made before. */
async function createBare(namespace: string, deployment: Deployment): Promise<number> {
  const began = performance.now();
  await client.create(kinds.Deployment, { metadata: { name: 'stack', namespace }, ...{ spec: deployment.spec } }, { fieldManager });
  await node.kubectl.run(['rollout', 'status', 'deployment/stack', '-n', namespace, '--timeout=180s']);
  return since(began);
}

async function prepareBare(namespace: string, from: string): Promise<void> {
  await client.create(kinds.Namespace, { metadata: { name: namespace } }, { fieldManager });
  await client.create(kinds.ServiceAccount, { metadata: { name: 'tenant', namespace } }, { fieldManager });
  const { data } = await client.get<KubeObject & { data: object }>(kinds.Secret, 'tenantry-api-keys', { namespace: from });
  await client.create(kinds.Secret, { metadata: { name: 'tenantry-api-keys', namespace }, ...{ data } }, { fieldManager });
}

async function memory(namespace: string, selector: string, names: readonly string[]): Promise<Record<string, number>> {
  const { items } = await client.list<Pod>(kinds.Pod, { namespace, labelSelector: selector });
  const [pod] = items;
  if (!pod) throw new Error(`no pod in ${namespace}`);
  const found: Record<string, number> = {};
  for (const name of names) found[name] = (await node.memoryOf(containerOf(pod, name).containerID)).workingSet;
  return found;
}

/** Tool calls from many clients for a while. @returns calls a second. */
async function underLoad(url: string, key: string, tool: string): Promise<number> {
  const clients = await Promise.all(Array.from({ length: load.clients }, () => connectWithToken(url, key)));
  const end = performance.now() + load.seconds * 1000;
  let calls = 0;
  await Promise.all(
    clients.map(async (mcp) => {
      while (performance.now() < end) {
        const { isError } = await mcp.callTool({ name: tool, arguments: {} });
        if (isError) throw new Error(`${tool} failed under load`);
        calls++;
      }
    }),
  );
  await Promise.all(clients.map((mcp) => mcp.close()));
  return calls / load.seconds;
}

say(`Machine: ${cpus().length} CPUs (${cpus()[0]?.model}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}`);

say('\n| image | archive | compressed |\n|---|---|---|');
for (const file of readdirSync(images).filter((name) => name.endsWith('.tar'))) {
  const archive = join(images, file);
  say(`| ${file.replace('.tar', '')} | ${megabytes(statSync(archive).size)} | ${megabytes(gzipSync(readFileSync(archive)).length)} |`);
}

const installation = new Installation(context);
await installation.prepare();
const began = performance.now();
await installation.install();
const installed = since(began);
await createTenant('first', 'toolbridge');
const firstReady = since(began);
say('\n| from `helm install` | |\n|---|---|');
say(`| to helm's end (all replicas ready) | ${seconds(installed)} |`);
say(`| to the first tenant Ready, migration and handshake included | ${seconds(firstReady)} |`);

await client.create(kinds.StackTemplate, withoutDatabase as KubeObject, { fieldManager });
await createTenant('model', 'bench');
const model = await client.get<Deployment>(kinds.Deployment, 'stack', { namespace: namespaceOf('model') });
const times = { tenant: [] as number[], bare: [] as number[], database: [] as number[] };
for (let round = 0; round < rounds; round++) {
  const bare = `bare-${round}`;
  await prepareBare(bare, namespaceOf('model'));
  // What was made stays until the end: taking it down would cost the next one time.
  times.bare.push(await createBare(bare, model));
  times.tenant.push(await createTenant(`bench-${round}`, 'bench'));
  times.database.push(await createTenant(`bench-db-${round}`, 'toolbridge'));
  const [bareTime, tenantTime, databaseTime] = [times.bare, times.tenant, times.database].map((values) => seconds(values.at(-1) ?? 0));
  console.error(`round ${round + 1}: bare ${bareTime}, tenant ${tenantTime}, with database ${databaseTime}`);
}
say(`\n| create to ready, ${rounds} rounds in turns | median | range | against the bare Deployment |\n|---|---|---|---|`);
for (const [what, values] of [
  ['bare Deployment of the same pod: available', times.bare],
  ['tenant without database: Ready, verified by an MCP handshake', times.tenant],
  ['tenant with database and migration (toolbridge): Ready', times.database],
] as const) {
  say(`| ${what} | ${seconds(median(values))} | ${range(values)} | ${(median(values) / median(times.bare)).toFixed(2)} |`);
}

const first = await client.get<Tenant>(kinds.Tenant, 'first');
if (!isTrue(first.status?.conditions, 'Ready')) throw new Error('the first tenant is not Ready any more');
const { data } = await client.get<KubeObject & { data: { apiKey: string } }>(kinds.Secret, 'tenantry-credentials', {
  namespace: namespaceOf('first'),
});
const key = Buffer.from(data.apiKey, 'base64').toString();
const parts = [
  ['tenant', namespaceOf('first'), 'app.kubernetes.io/component=stack', ['api', 'mcp']],
  ['operator (leading or not)', release.namespace, 'app.kubernetes.io/component=operator', ['operator']],
  ['control plane', release.namespace, 'app.kubernetes.io/component=control-plane', ['control-plane']],
] as const;
const measure = async (): Promise<Map<string, number>> => {
  const all = new Map<string, number>();
  for (const [what, namespace, selector, names] of parts)
    for (const [name, bytes] of Object.entries(await memory(namespace, selector, names))) all.set(`${what}: ${name}`, bytes);
  return all;
};
const idle = await measure();
const perSecond = await underLoad(first.status?.endpoints?.mcp ?? '', key, 'list_notes');
const loaded = await measure();
say(
  `\nLoad: ${load.clients} clients calling list_notes for ${load.seconds} s through the gateway: ${perSecond.toFixed(0)} calls a second.`,
);
say('\n| memory by control group (working set) | idle | after the load |\n|---|---|---|');
for (const [what, bytes] of idle) say(`| ${what} | ${megabytes(bytes)} | ${megabytes(loaded.get(what) ?? 0)} |`);
await client.close();
