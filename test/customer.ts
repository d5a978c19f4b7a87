import { expect } from 'vitest';
import type { Tenant } from '../crds/tenant.ts';
import { askForTools } from '../local/mcp-requests.ts';
import { type Session, signIn } from '../local/sign-in.ts';
import type { Member, World } from './world.ts';

/** A tenant with an organization of its own, and one of its users signed in. */
export interface Customer {
  readonly name: string;
  readonly organizationId: string;
  readonly member: Member;
  readonly tenant: Tenant;
  readonly session: Session;
  readonly apiKey: string;
}

export type Create = (world: World, name: string, organizationId: string) => Promise<void>;

/** Makes a customer and waits until its tenant is Ready. */
export async function newCustomer(world: World, create: Create): Promise<Customer> {
  const name = world.name('story');
  const { organizationId, member } = await world.organization(name);
  await create(world, name, organizationId);
  const tenant = await world.ready(name);
  const session = await signIn(mcpOf(tenant), member);
  const { apiKey = '' } = await world.secret(name, 'tenantry-credentials');
  return { name, organizationId, member, tenant, session, apiKey };
}

export const viaApi: Create = async (world, name, organizationId) => {
  const body = { name, displayName: `Story ${name}`, organizationId, template: { name: 'toolbridge' }, deletionPolicy: 'delete' } as const;
  const { response } = await world.admin.POST('/admin/tenants', { body });
  expect(response.status).toBe(201);
};

export const viaKubectl: Create = async (world, name, organizationId) => {
  const applied = await world.kubectl(['apply', '-f', '-'], manifest(name, { organizationId, deletionPolicy: 'delete' }));
  expect(applied).toMatchObject({ code: 0 });
};

export const mcpOf = (tenant: Tenant): string => tenant.status?.endpoints?.mcp ?? '';

export const manifest = (name: string, spec: object): string =>
  JSON.stringify({
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'Tenant',
    metadata: { name },
    spec: { template: { name: 'toolbridge' }, ...spec },
  });

/** The status an MCP endpoint answers a bearer with. */
export async function statusWith(url: string, token?: string): Promise<number> {
  const response = await askForTools(url, token);
  await response.body?.cancel();
  return response.status;
}
