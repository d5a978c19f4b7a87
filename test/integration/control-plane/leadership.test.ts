import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isTrue } from '../../../crds/conditions.ts';
import type { Tenant } from '../../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../../kube/resources.ts';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { eventually } from '../../eventually.ts';
import { Gate } from '../../gate.ts';
import { baseUrl, type Cluster, createTenant, expectNoSecrets, openWorkos, startCluster } from './cluster.ts';
import { environmentOf, PlaneProcess } from './process.ts';

interface Replica {
  readonly name: string;
  readonly plane: PlaneProcess;
  readonly kubernetes: Gate;
  url: string;
}

const lease = 'tenantry-control-plane';
let cluster: Cluster;
let workos: WorkosStandIn;
let token: string;
let replicas: readonly Replica[] = [];
const planes: PlaneProcess[] = [];
const gates: Gate[] = [];
/** What was registered at WorkOS, and by which replica, in order. */
const changes: { readonly by: string; readonly uri: string }[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  const platform = workos.createOrganization({ name: 'Platform' }).id;
  const user = await workos.createUser({ email: 'admin@example.com' });
  workos.createMembership({ userId: user.id, organizationId: platform, roleSlug: 'platform-admin' });
  const permissions = ['tenants:read', 'tenants:write'];
  token = await workos.adminToken({ userId: user.id, organizationId: platform, role: 'platform-admin', permissions });
  const kubeconfig = await readFile(cluster.kubeconfig, 'utf8');
  const server = /server"?: "?(https:\/\/[^\s"]+)/.exec(kubeconfig)?.[1] ?? '';
  const start = async (name: string): Promise<Replica> => {
    const kubernetes = new Gate(Number(new URL(server).port));
    const toWorkos = new Gate(Number(new URL(workos.apiUrl).port), (text) => {
      const registering = /^POST \/user_management\/authkit_oauth_resources [\s\S]*"uri":"([^"]+)"/.exec(text)?.[1];
      if (registering !== undefined) changes.push({ by: name, uri: registering });
    });
    gates.push(kubernetes, toWorkos);
    const file = join(cluster.workosDir, `kubeconfig-${name}`);
    await writeFile(file, kubeconfig.replace(server, `https://127.0.0.1:${await kubernetes.listen()}`));
    const plane = new PlaneProcess({
      ...environmentOf(cluster, workos, platform),
      KUBECONFIG: file,
      POD_NAME: name,
      TENANTRY_LEASE: `default/${lease}`,
      WORKOS_API_URL: `http://127.0.0.1:${await toWorkos.listen()}`,
    });
    planes.push(plane);
    return { name, plane, kubernetes, url: await plane.listening() };
  };
  replicas = await Promise.all([start('one'), start('other')]);
  for (const { url } of replicas) await eventually('it is ready', async () => (await fetch(`${url}/readyz`)).ok);
});

afterAll(async () => {
  for (const plane of planes) plane.child.kill('SIGKILL');
  for (const gate of gates) gate.stop();
  await workos.close();
  await cluster.stop();
});

/** Replicas that said at the same time that they lead: none, at no moment. */
const together: string[][] = [];

/** Names of the replicas that say that they lead. */
async function leaders(): Promise<string[]> {
  const each = replicas.map(async ({ name, url }) => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return text.includes(`leader_election_master_status{name="${lease}"} 1`) ? [name] : [];
  });
  const leading = (await Promise.all(each)).flat();
  if (leading.length > 1) together.push(leading);
  return leading;
}

type Lease = KubeObject & { readonly spec?: { readonly holderIdentity?: string } };

/** Resolves with the replica that leads, by the Lease and by its own word, once one does that `wanted` says. */
async function leader(wanted: (name: string) => boolean = () => true): Promise<Replica> {
  return eventually(
    'one leads',
    async () => {
      const { spec } = await cluster.client.get<Lease>(kinds.Lease, lease, { namespace: 'default' });
      const [name] = await leaders();
      return replicas.find((replica) => replica.name === name && name === spec?.holderIdentity && wanted(name));
    },
    60_000,
  );
}

const nobodyLeads = () => eventually('nobody leads', async () => (await leaders()).length === 0, 60_000);

async function registered(...names: string[]): Promise<void> {
  for (const name of names) {
    const done = (tenant: Tenant) => isTrue(tenant.status?.conditions, 'AuthorizationReady');
    await eventually(`${name} is registered`, async () => done(await cluster.client.get<Tenant>(kinds.Tenant, name)), 60_000);
  }
}

const registrarsOf = (name: string) => changes.filter(({ uri }) => uri === `${baseUrl}/t/${name}/mcp`).map(({ by }) => by);

async function status(replica: Replica, method: string, path: string, body?: object): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) };
  return (await fetch(replica.url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })).status;
}

test('replicas without a lease keep serving, and exactly one leads again', async () => {
  const organizationId = workos.createOrganization({ name: 'Acme' }).id;
  await createTenant(cluster, 'before', organizationId);
  await registered('before');
  const first = await leader();
  const second = replicas.find(({ name }) => name !== first.name) as Replica;
  expect(registrarsOf('before')).toEqual([first.name]);

  // The leader alone is cut off: the other one leads in its place.
  first.kubernetes.shut();
  await leader((name) => name === second.name);
  await createTenant(cluster, 'meanwhile', organizationId);
  await registered('meanwhile');
  expect(registrarsOf('meanwhile')).toEqual([second.name]);

  // Both are: nobody leads, and both serve.
  second.kubernetes.shut();
  await nobodyLeads();
  await createTenant(cluster, 'outage', organizationId);
  for (const replica of replicas) {
    expect((await fetch(`${replica.url}/healthz`)).status).toBe(200);
    expect(await status(replica, 'GET', '/admin/tenants/before')).toBe(200);
    const body = { name: 'refused', organizationId, template: { name: 'plain' } };
    expect(await status(replica, 'POST', '/admin/tenants', body)).toBe(503);
  }
  expect(registrarsOf('outage')).toEqual([]);

  for (const { kubernetes } of replicas) kubernetes.reopen();
  const third = await leader();
  await registered('before', 'meanwhile', 'outage');
  await createTenant(cluster, 'after', organizationId);
  await registered('after');
  expect([registrarsOf('outage'), registrarsOf('after')]).toEqual([[third.name], [third.name]]);
  expect(workos.resources().sort()).toEqual(['after', 'before', 'meanwhile', 'outage'].map((name) => `${baseUrl}/t/${name}/mcp`));
  expect(await cluster.client.find(kinds.Tenant, 'refused')).toBeUndefined();
  expect(replicas.map(({ plane }) => plane.running)).toEqual([true, true]);
  expect(together).toEqual([]);

  // Told to end, the leader hands over at once.
  expect(await third.plane.stop()).toBe(0);
  for (const { plane } of replicas) expectNoSecrets(plane.output, cluster, workos);
  replicas = replicas.filter((replica) => replica !== third);
  await leader((name) => name !== third.name);
  expect(await replicas[0]?.plane.stop()).toBe(0);
});
