import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTrue } from '../../crds/conditions.ts';
import { namespaceOf } from '../../crds/names.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { callTool } from '../../local/mcp-requests.ts';
import { connectWithToken } from '../../local/sign-in.ts';
import { type Customer, mcpOf, newCustomer, statusWith, viaApi, viaKubectl } from '../customer.ts';
import { World } from '../world.ts';

const world = new World();
let first: Customer;
let second: Customer;

beforeAll(async () => {
  [first, second] = await Promise.all([newCustomer(world, viaApi), newCustomer(world, viaKubectl)]);
});

afterAll(async () => {
  await world.remove(...[first, second].filter((made) => made !== undefined).map(({ name }) => name));
});

describe('what breaks comes back', () => {
  test.each(['mcp', 'api'])('a killed %s process', async (container) => {
    const pid = await world.processOf(first.name, container);
    process.kill(pid, 'SIGKILL');
    await world.eventually(`a new ${container} process`, 60_000, async () =>
      (await world.processOf(first.name, container)) !== pid ? true : undefined,
    );
    await world.eventually('an answer', 60_000, async () =>
      (await statusWith(mcpOf(first.tenant), first.apiKey)) === 200 ? true : undefined,
    );
    await world.ready(first.name);
  });

  test.each([kinds.Deployment, kinds.Service, kinds.NetworkPolicy, kinds.Ingress, kinds.ResourceQuota])(
    'a deleted $kind',
    async (resource) => {
      const namespace = namespaceOf(first.name);
      const name = { Deployment: 'stack', Service: 'stack', Ingress: 'stack' }[resource.kind as string] ?? 'tenantry';
      const before = await world.kube.get<KubeObject>(resource, name, { namespace });
      await world.kube.delete(resource, name, { namespace });
      await world.object(resource, name, namespace, (object) => object !== undefined && object.metadata.uid !== before.metadata.uid);
      await world.eventually('an answer', 60_000, async () =>
        (await statusWith(mcpOf(first.tenant), first.apiKey)) === 200 ? true : undefined,
      );
    },
  );

  test('a changed child, while what others added stays', async () => {
    const namespace = namespaceOf(first.name);
    await world.kube.patch(
      kinds.Service,
      'stack',
      { metadata: { annotations: { 'example.com/theirs': 'yes' } }, spec: { selector: { 'tenantry.dev/tenant': 'other' } } },
      { namespace },
    );
    type Service = KubeObject & { spec: { selector: Record<string, string> } };
    const service = await world.object<Service>(
      kinds.Service,
      'stack',
      namespace,
      (object) => object?.spec.selector['tenantry.dev/tenant'] === first.name,
    );
    expect(service?.metadata.annotations).toMatchObject({ 'example.com/theirs': 'yes' });
  });

  test('a lost Secret, with new values', async () => {
    const namespace = namespaceOf(second.name);
    const before = await world.secret(second.name, 'tenantry-database');
    await world.kube.delete(kinds.Secret, 'tenantry-database', { namespace });
    // Secrets are swept every few minutes, not watched; a namespace made anew is looked into at once.
    await world.kube.delete(kinds.Namespace, namespace);
    await world.object(kinds.Secret, 'tenantry-database', namespace, (object) => object !== undefined);
    await world.ready(second.name);
    const after = await world.secret(second.name, 'tenantry-database');
    expect(after['password']).not.toBe(before['password']);
    const { apiKey = '' } = await world.secret(second.name, 'tenantry-credentials');
    await world.eventually('an answer', 90_000, async () => ((await statusWith(mcpOf(second.tenant), apiKey)) === 200 ? true : undefined));
    expect(await statusWith(mcpOf(second.tenant), second.apiKey)).toBe(401);
    const client = await connectWithToken(mcpOf(second.tenant), apiKey);
    await callTool(client, 'create_note', { title: 'still there' });
    await client.close();
  });
});

describe('a tenant that locks itself out of its database', () => {
  test('is let in again', async () => {
    const { url = '' } = await world.secret(second.name, 'tenantry-database');
    const connection = new pg.Client({ connectionString: url });
    await connection.connect();
    await connection.query('SET ROLE NONE');
    await connection.query(`ALTER ROLE ${new URL(url).username} PASSWORD 'changed'`);
    await connection.end();
    process.kill(await world.processOf(second.name, 'api'), 'SIGKILL');
    await world.until(second.name, (tenant) => !isTrue(tenant.status?.conditions, 'WorkloadAvailable'));
    await world.ready(second.name);
    const again = new pg.Client({ connectionString: url });
    await again.connect();
    await again.end();
  });
});

test('a deleted tenant leaves no process', async () => {
  const { name } = await newCustomer(world, viaKubectl);
  const pids = [await world.processOf(name, 'mcp'), await world.processOf(name, 'api')];
  await world.remove(name);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
});
