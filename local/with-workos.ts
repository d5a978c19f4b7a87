import { fileURLToPath } from 'node:url';
import { shellWord } from '../control-plane/client/shell-word.ts';
import type { Tenant } from '../crds/tenant.ts';
import { kinds } from '../kube/resources.ts';
import { isReady, untilTenant } from '../kube/until-tenant.ts';
import { leftovers } from './leftovers.ts';
import { isAt, rolledOut } from './rollout.ts';
import { connectWithToken } from './sign-in.ts';
import type { Stack } from './stack.ts';

/** Path of the command line, which works in every folder. Outside this checkout, npx would ask a registry for it. */
const tenantry = shellWord(fileURLToPath(new URL('../cli/tenantry.mjs', import.meta.url)));
const name = 'acme';
const timeoutMs = 120_000;

/** Called with the outcome of each step. */
export type Tell = (outcome: string) => void;

export interface TenantWithKey {
  readonly tenant: Tenant;
  readonly apiKey: string;
}

/**
 * Shows a tenant in a real WorkOS environment without a signed-in user. Creates one tenant without an organization, as with kubectl, and
 * lists its tools with its API key. It creates nothing at WorkOS that was not requested.
 */
export async function showWithoutSignIn(stack: Stack, tell: Tell, signal: AbortSignal): Promise<TenantWithKey> {
  const spec = { displayName: 'Acme', template: { name: 'toolbridge' }, deletionPolicy: 'delete' };
  await stack.client.apply(kinds.Tenant, { metadata: { name }, ...{ spec } }, { fieldManager: 'tenantry-local' });
  tell(`kubectl apply tenant/${name}, which has no organization yet`);
  const tenant = await untilTenant(stack.client, name, (current) => isReady(current) && isAt(current, stack.routerUrl), {
    timeoutMs,
    signal,
  });
  const url = tenant?.status?.endpoints?.mcp;
  if (tenant === undefined || url === undefined) throw new Error(`tenant ${name} is gone`);
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  await rolledOut(stack.client, name, { routerUrl: stack.routerUrl, issuer: stack.identity.issuer }, inTime);
  tell(`${name} is Ready: ${url}`);
  const secret = await stack.client.get<{ metadata: { name: string }; data: { apiKey: string } }>(kinds.Secret, 'tenantry-credentials', {
    namespace: `tenant-${name}`,
  });
  const apiKey = Buffer.from(secret.data.apiKey, 'base64').toString('utf8');
  const client = await connectWithToken(url, apiKey);
  const { tools } = await client.listTools();
  await client.close();
  if (tools.length === 0) throw new Error(`${url} lists no tools`);
  tell(`tools, with its API key: ${tools.length}`);
  return { tenant, apiKey };
}

/** Deletes the tenant, and proves that nothing of it is left on this machine or at WorkOS. */
export async function removeAgain(stack: Stack, { tenant }: TenantWithKey, tell: Tell, signal: AbortSignal): Promise<void> {
  await stack.client.delete(kinds.Tenant, name, { signal });
  await untilTenant(stack.client, name, (current) => current === undefined, { timeoutMs, signal });
  const left = await leftovers(stack, tenant);
  if (left.length > 0) throw new Error(`tenant ${name} was deleted but there is still: ${left.join(', ')}`);
  tell(`${name} is deleted: no pod, namespace, database, role or OAuth resource is left`);
}

/** Instructions for the next steps. */
export function nextSteps({ adminUrl, identity }: Stack): string[] {
  return [
    'Does the environment have what Tenantry needs? The first tells, the second makes what is missing (with the same variables set):',
    `    ${tenantry} workos check`,
    `    ${tenantry} workos setup`,
    `Sign in as a member of ${identity.platformOrganizationId} whose role is platform-admin, then make a tenant with an organization:`,
    `    ${tenantry} login ${adminUrl}`,
    `    ${tenantry} tenants create initech --template toolbridge --new-organization Initech --admin-email <you> --wait`,
    'WorkOS must take localhost URLs as OAuth resources for sign-in to end here; clients on other machines cannot reach them.',
  ];
}
