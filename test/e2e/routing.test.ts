import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { kinds } from '../../kube/resources.ts';
import { connectWithToken, signIn } from '../../local/sign-in.ts';
import { type Customer, mcpOf, newCustomer, statusWith, viaApi } from '../customer.ts';
import { World } from '../world.ts';
import { tenantsDomain } from './cluster/addresses.ts';
import { Installation, type Routing } from './installation.ts';

/** One tenant moved through every way the chart offers, by `helm upgrade` alone. */
const world = new World();
const installation = new Installation(inject('cluster'));
let customer: Customer;

beforeAll(async () => {
  customer = await newCustomer(world, viaApi);
});

afterAll(async () => {
  await installation.install();
  if (customer !== undefined) await world.remove(customer.name);
});

const addressOf = (name: string, { mode }: Routing): string =>
  mode === 'host' ? `https://${name}.${tenantsDomain}/mcp` : `https://${tenantsDomain}/t/${name}/mcp`;

const isVerifiedAt = (tenant: Tenant, url: string): boolean =>
  mcpOf(tenant) === url &&
  ['RouteReady', 'AuthorizationReady', 'Verified', 'Ready'].every((type) =>
    tenant.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True'),
  ) &&
  tenant.status?.authorization?.resources?.some((resource) => resource.url === url) === true;

describe.each<Routing>([
  { mode: 'host', kind: 'gateway' },
  { mode: 'path', kind: 'gateway' },
  { mode: 'host', kind: 'ingress' },
  { mode: 'path', kind: 'ingress' },
])('a route by $mode with $kind', (routing) => {
  test('leads users and programs to a verified tenant', async () => {
    await installation.install(routing);
    const url = addressOf(customer.name, routing);
    const tenant = await world.until(customer.name, (current) => isVerifiedAt(current, url), 120_000);
    const client = await connectWithToken(url, customer.apiKey);
    expect((await client.listTools()).tools).toHaveLength(40);
    await client.close();
    const session = await signIn(url, customer.member);
    await session.client.close();
    expect((await fetch(tenant.status?.endpoints?.metadata ?? '')).status).toBe(200);
    expect(await statusWith(url)).toBe(401);
    // A token is for the URL it was made for, even of the same tenant.
    expect(await statusWith(url, customer.session.accessToken)).toBe(url === mcpOf(customer.tenant) ? 200 : 401);
  });

  test('publishes no other path of the pod, and replaces routes of another kind', async () => {
    const { origin } = new URL(addressOf(customer.name, routing));
    for (const path of ['/metrics', '/healthz', '/readyz', `/t/${customer.name}/metrics`, `/t/${customer.name}2/mcp`]) {
      const response = await fetch(`${origin}${path}`);
      await response.body?.cancel();
      expect(response.status, path).toBe(404);
    }
    const namespace = namespaceOf(customer.name);
    const [ingress, httpRoute] = await Promise.all([
      world.kube.find(kinds.Ingress, 'stack', { namespace }),
      world.kube.find(kinds.HTTPRoute, 'stack', { namespace }),
    ]);
    expect([ingress !== undefined, httpRoute !== undefined]).toEqual([routing.kind === 'ingress', routing.kind === 'gateway']);
    expect(await world.oauthResources()).toContain(addressOf(customer.name, routing));
  });
});
