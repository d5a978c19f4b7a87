/**
 * The program of `helm test`. It creates a tenant, uses it through its public route as an LLM client does, and deletes it. It exits 0 if
 * all of that succeeded. It leaves nothing behind, even if it fails.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { namespaceOf } from '../crds/names.ts';
import { type Tenant, tenantName } from '../crds/tenant.ts';
import { KubeClient } from '../kube/client.ts';
import { publicFetch } from '../kube/public-fetch.ts';
import { type KubeObject, kinds } from '../kube/resources.ts';
import { isReady, untilTenant } from '../kube/until-tenant.ts';
import { verifySettings } from './installation/settings.ts';
import { secretNames } from './objects/names.ts';

const environment = z.object({
  TENANTRY_SMOKE_TENANT: tenantName.default('helm-test'),
  TENANTRY_SMOKE_TEMPLATE: z.string().min(1).default('toolbridge'),
  TENANTRY_SMOKE_TIMEOUT_SECONDS: z.coerce.number().int().min(1).max(3600).default(300),
  ...verifySettings,
});

const parsed = environment.safeParse(Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== '')));
if (!parsed.success) {
  for (const { path, message } of parsed.error.issues) console.error(`${path.join('.')}: ${message}`);
  process.exit(2);
}
const settings = parsed.data;
const name = settings.TENANTRY_SMOKE_TENANT;
const timeoutMs = settings.TENANTRY_SMOKE_TIMEOUT_SECONDS * 1000;
const call = publicFetch({ address: settings.TENANTRY_VERIFY_ADDRESS, caFile: settings.TENANTRY_VERIFY_CA_FILE }, 5_000);
const client = KubeClient.fromConfig({ userAgent: 'tenantry-smoke-test' });
const began = performance.now();
const tell = (line: string): void => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`);

async function create(): Promise<Tenant> {
  const spec = {
    displayName: 'Smoke test of the installation',
    template: { name: settings.TENANTRY_SMOKE_TEMPLATE },
    deletionPolicy: 'delete',
  };
  return client.create<Tenant>(kinds.Tenant, { metadata: { name }, ...{ spec } }, { fieldManager: 'tenantry-smoke-test' });
}

/** Uses the tenant as a machine with an API key does. */
async function use(url: string): Promise<number> {
  const refused = await call(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  await refused.body?.cancel();
  if (refused.status !== 401) throw new Error(`${url} answered ${refused.status} to a request without a key; it must answer 401`);
  const { data } = await client.get<KubeObject & { data: Record<string, string> }>(kinds.Secret, secretNames.credentials, {
    namespace: namespaceOf(name),
  });
  const key = Buffer.from(data['apiKey'] ?? '', 'base64').toString('utf8');
  const mcp = new Client({ name: 'tenantry-smoke-test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await mcp.connect(
    new StreamableHTTPClientTransport(new URL(url), { fetch: call, requestInit: { headers: { authorization: `Bearer ${key}` } } }),
  );
  const { tools } = await mcp.listTools();
  await mcp.close();
  if (tools.length === 0) throw new Error(`${url} lists no tools`);
  return tools.length;
}

async function remove(uid: string): Promise<void> {
  await client.delete(kinds.Tenant, name, { uid });
  await untilTenant(client, name, (tenant) => tenant?.metadata.uid !== uid, { timeoutMs });
  tell('deleted, nothing left');
}

/** Prints one line for each condition that has changed. */
function tellChanges(tenant: Tenant | undefined, previous: Tenant | undefined): void {
  for (const { type, status, reason } of tenant?.status?.conditions ?? []) {
    const before = previous?.status?.conditions?.find((condition) => condition.type === type);
    if (before?.status !== status || before.reason !== reason) tell(`${type}=${status} (${reason})`);
  }
}

try {
  const { uid = '' } = (await create()).metadata;
  tell(`Tenant ${name} created`);
  try {
    const tenant = await untilTenant(client, name, isReady, { timeoutMs, onChange: tellChanges });
    const url = tenant?.status?.endpoints?.mcp ?? '';
    const tools = await use(url);
    tell(`MCP handshake at ${url}: ${tools} tools; 401 without a key`);
  } finally {
    await remove(uid);
  }
} catch (error) {
  console.error(`The installation does not work: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  await client.close();
}
