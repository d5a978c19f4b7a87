import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Tenant } from '../../../../crds/tenant.ts';
import { kinds } from '../../../../kube/resources.ts';
import type { WorkosStandIn } from '../../../../local/workos/start.ts';
import { eventually } from '../../../eventually.ts';
import { baseUrl, type Cluster, openWorkos, publish, startCluster } from '../cluster.ts';
import { KubernetesProxy } from '../kubernetes-proxy.ts';
import { environmentOf, PlaneProcess } from '../process.ts';

let cluster: Cluster;
let workos: WorkosStandIn;
let proxy: KubernetesProxy;
let platform: string;
let token: string;
let kubeconfig: string;
let plane: PlaneProcess | undefined;

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  kubeconfig = join(cluster.workosDir, 'through-proxy');
  proxy = await KubernetesProxy.start(cluster.kubeconfig, kubeconfig);
  platform = workos.createOrganization({ name: 'Platform' }).id;
  const user = await workos.createUser({ email: 'admin@example.com', password: 'a password for tests' });
  workos.createMembership({ userId: user.id, organizationId: platform, roleSlug: 'platform-admin' });
  const permissions = ['tenants:read', 'tenants:write'];
  token = await workos.adminToken({ userId: user.id, organizationId: platform, role: 'platform-admin', permissions });
});

afterEach(async () => {
  proxy.rule = () => 'passed';
  plane?.child.kill('SIGKILL');
  await plane?.ended();
});

afterAll(async () => {
  proxy.stop();
  await workos.close();
  await cluster.stop();
});

async function start(): Promise<string> {
  plane = new PlaneProcess(environmentOf({ ...cluster, kubeconfig }, workos, platform));
  const url = await plane.listening();
  await eventually('the control plane is ready', async () => (await fetch(`${url}/readyz`)).ok);
  return url;
}

/** What dies with its process leaves its lock, which counts for a minute. */
async function afterAMinute(): Promise<void> {
  const connection = new pg.Client({ connectionString: cluster.storeUrl });
  await connection.connect();
  await connection
    .query("UPDATE idempotency_keys SET locked_until = now() - interval '1 second' WHERE answer IS NULL")
    .finally(() => connection.end());
}

/** In the order in which they are made: the Tenant, our finalizer on it, the identifier of its organization, the outcome with the invitation. */
const writes = ['the tenant', 'the finalizer', 'the organization', 'the outcome'];

test.each([
  ...writes.map((what, at) => [what, at, 'dropped'] as const),
  // Nothing is told of what was made.
  ['the tenant', 0, 'held'] as const,
])(
  'killed while it writes %s (%i, %s): a repetition creates one tenant, organization and invitation',
  async (_what, at, fate) => {
    const name = `killed-${at}-${fate}`;
    const email = `${name}@example.com`;
    const body = JSON.stringify({ name, template: { name: 'plain' }, organization: { name: `Of ${name}`, admin: { email } } });
    const post = async (url: string) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': name };
      const answer = await fetch(`${url}/admin/tenants`, { method: 'POST', headers, body });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    const stored = () => cluster.client.find<Tenant>(kinds.Tenant, name);
    // What the operator does as soon as there is a tenant.
    const published = eventually('the tenant is there', stored, 120_000).then(() => publish(cluster, name, `${baseUrl}/t/${name}/mcp`));

    const url = await start();
    let seen = 0;
    const kill = () => plane?.child.kill('SIGKILL');
    proxy.onHeld = kill;
    proxy.rule = ({ method, path }) => {
      const isWrite = method !== 'GET' && /\/tenants(\/|\?|$)/.test(path);
      if (!isWrite || seen++ !== at) return 'passed';
      if (fate === 'dropped') kill();
      return fate;
    };
    await post(url).catch(() => undefined);
    expect(await plane?.ended()).toBeNull();
    proxy.rule = () => 'passed';

    await afterAMinute();
    const again = await start();
    const answer = await post(again);
    expect(answer.status).toBe(201);
    await published;
    const tenant = await eventually(
      'the organization is there, and its administrator invited',
      async () => {
        const now = await stored();
        return now?.status?.authorization?.organization?.invitationId !== undefined && now;
      },
      60_000,
    );
    expect(tenant.metadata.uid).toBe(answer.body['uid']);
    const made = workos.events().filter(({ event, data }) => event === 'organization.created' && data['name'] === `Of ${name}`);
    expect(made).toHaveLength(1);
    const organization = workos.findOrganization(tenant.spec.organization?.externalId ?? '');
    expect([organization?.id, organization?.name]).toEqual([tenant.spec.organizationId, `Of ${name}`]);
    const invitations = workos.invitations(email);
    expect(invitations.map(({ id, organization_id }) => [id, organization_id])).toEqual([
      [tenant.status?.authorization?.organization?.invitationId, tenant.spec.organizationId],
    ]);
  },
  180_000,
);
