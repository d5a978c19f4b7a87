import { randomBytes } from 'node:crypto';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Agent, fetch as undiciFetch } from 'undici';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type DomainClaim, domainProof } from '../../../crds/domains.ts';
import { namespaceOf } from '../../../crds/names.ts';
import type { Tenant, TenantStatus } from '../../../crds/tenant.ts';
import { kinds } from '../../../kube/resources.ts';
import { callTool } from '../../../local/mcp-requests.ts';
import { manifest, statusWith } from '../../customer.ts';
import { World } from '../../world.ts';

const world = new World();
const first = world.name('owner');
const second = world.name('rival');
let tenants: Record<string, Tenant>;
let keys: Record<string, string>;
const entered: string[] = [];

beforeAll(async () => {
  const made = await Promise.all(
    [first, second].map(async (name) => {
      const spec = { deletionPolicy: 'delete', secrets: { rotationPeriod: '0s' } };
      expect(await world.kubectl(['apply', '-f', '-'], manifest(name, spec))).toMatchObject({ code: 0 });
      return world.ready(name);
    }),
  );
  tenants = Object.fromEntries(made.map((tenant) => [tenant.metadata.name, tenant]));
  const found = [first, second].map(async (name) => [name, (await world.secret(name, 'tenantry-credentials'))['apiKey'] ?? ''] as const);
  keys = Object.fromEntries(await Promise.all(found));
});

afterEach(async () => {
  for (const record of entered.splice(0)) world.setTxt(record);
  await Promise.all([first, second].map((name) => setDomains(name)));
});

afterAll(() => world.remove(first, second));

/** As a browser or an LLM client reaches a host whose address is this machine's. */
const loopback = new Agent({
  connect: { lookup: (_host, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]) },
});
const call = ((input: string | URL, init: object) =>
  undiciFetch(input, { ...init, dispatcher: loopback })) as unknown as typeof globalThis.fetch;

const newDomain = (): string => `mcp.${randomBytes(4).toString('hex')}.example.org`;

function setDomains(name: string, ...domains: string[]): Promise<unknown> {
  return world.kube.patch(kinds.Tenant, name, { spec: { domains } });
}

let looks = 0;
/** Asks the operator to look now. */
function look(name: string): Promise<unknown> {
  const time = new Date(Date.now() + 1_000 * looks++).toISOString();
  return world.kube.patch(kinds.Tenant, name, { metadata: { annotations: { 'tenantry.dev/verify-domains': time } } });
}

type State = NonNullable<TenantStatus['domains']>[number];

async function untilDomain(name: string, domain: string, condition: (state: State) => boolean): Promise<State> {
  const tenant = await world.until(name, ({ status }) =>
    (status?.domains ?? []).some((state) => state.domain === domain && condition(state)),
  );
  return tenant.status?.domains?.find((state) => state.domain === domain) as State;
}

const is = (state: State['state']) => (found: State) => found.state === state;

/** Enters at the DNS what the tenant's status asks for. */
async function prove(name: string, domain: string): Promise<State> {
  const { record } = await untilDomain(name, domain, ({ record }) => record !== undefined);
  entered.push(record.name);
  world.setTxt(record.name, 'some other text', record.value);
  await look(name);
  return untilDomain(name, domain, is('Verified'));
}

const claimOf = (domain: string) => world.kube.find<DomainClaim>(kinds.DomainClaim, domain);

async function tools(mcp: string, key: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(mcp), { fetch: call, requestInit }));
  return client;
}

test('a domain serves once its record is there, with metadata of its own, and stays when the record goes', async () => {
  const domain = newDomain();
  await setDomains(first, domain);
  const waiting = await untilDomain(first, domain, ({ message }) => message.startsWith('There is no such record yet.'));
  expect(waiting).toMatchObject({ state: 'Pending', record: domainProof(tenants[first]?.metadata.uid ?? '', domain) });
  expect(waiting).not.toHaveProperty('mcp');
  expect(await claimOf(domain)).toBeUndefined();
  const { mcp = '', api = '' } = await prove(first, domain);
  const port = new URL(world.context.routerUrl).port;
  expect([mcp, api]).toEqual([`http://${domain}:${port}/mcp`, `http://${domain}:${port}/api`]);
  expect((await claimOf(domain))?.spec).toEqual({ tenant: first, tenantUid: tenants[first]?.metadata.uid });

  // The pods that know the domain come with a rolling update.
  await world.eventually('the metadata', 60_000, async () => {
    const response = await call(`http://${domain}:${port}/.well-known/oauth-protected-resource/mcp`);
    return response.ok && ((await response.json()) as { resource?: string }).resource === mcp ? true : undefined;
  });
  await world.ready(first);
  const client = await tools(mcp, keys[first] ?? '');
  await callTool(client, 'create_note', { title: 'by way of the custom domain' });
  await client.close();
  // The tenant's own URL goes on.
  expect(await statusWith(tenants[first]?.status?.endpoints?.mcp ?? '', keys[first])).toBe(200);

  for (const record of entered.splice(0)) world.setTxt(record);
  await look(first);
  await world.kube.patch(kinds.Tenant, first, { spec: { displayName: 'another pass' } });
  await world.until(first, ({ status, metadata }) => status?.observedGeneration === metadata.generation);
  expect((await world.tenant(first)).status?.domains?.[0]).toMatchObject({ state: 'Verified' });

  await setDomains(first);
  await world.eventually('the claim gone', 30_000, async () => ((await claimOf(domain)) === undefined ? true : undefined));
  expect((await world.kube.list(kinds.Ingress, { namespace: namespaceOf(first) })).items.map(({ metadata }) => metadata.name)).toEqual([
    'stack',
  ]);
  await world.until(first, ({ status }) => status?.domains === undefined);
});

test('a record with another value, and a DNS that does not answer, are told apart', async () => {
  const domain = newDomain();
  world.setTxt(`_tenantry-challenge.${domain}`, domainProof('another-uid', domain).value);
  entered.push(`_tenantry-challenge.${domain}`);
  await setDomains(first, domain);
  await untilDomain(first, domain, ({ message }) => message.startsWith('The record is there with another value.'));
  expect(await claimOf(domain)).toBeUndefined();
  world.setTxt(`_tenantry-challenge.${domain}`, 'SERVFAIL');
  await look(first);
  await untilDomain(first, domain, ({ message }) => message.startsWith('The DNS did not answer (ESERVFAIL).'));
});

test("another tenant's domain is a conflict until it is given up there, and then needs a proof of its own", async () => {
  const domain = newDomain();
  await setDomains(first, domain);
  await prove(first, domain);
  await setDomains(second, domain);
  const record = domainProof(tenants[second]?.metadata.uid ?? '', domain);
  const conflict = await untilDomain(second, domain, is('Conflict'));
  expect(conflict.message).toContain('Another tenant');
  // Even with the record: the domain is the other's.
  world.setTxt(record.name, record.value);
  await look(second);
  await setDomains(first);
  const verified = await untilDomain(second, domain, is('Verified'));
  expect(verified.record).toEqual(record);
  expect((await claimOf(domain))?.spec.tenant).toBe(second);
});

test('a domain that moves takes its registration along: neither leaving nor deletion takes it from who has it next', {
  timeout: 240_000,
}, async () => {
  const domain = newDomain();
  const names = ['from', 'to', 'last'].map((prefix) => world.name(prefix));
  const [from = '', to = '', last = ''] = names;
  for (const name of names) {
    const { organizationId } = await world.organization(name);
    const spec = { suspended: true, database: { mode: 'none' }, deletionPolicy: 'delete', organizationId };
    expect(await world.kubectl(['apply', '-f', '-'], manifest(name, spec))).toMatchObject({ code: 0 });
  }
  const recordedOf = ({ status }: Tenant) =>
    (status?.authorization?.resources ?? []).filter(({ url }) => new URL(url).hostname === domain).map(({ id }) => id);
  /** Has the domain proved for the tenant by the time it is free, and waits until it is registered. */
  const registered = async (name: string): Promise<string[]> =>
    recordedOf(await world.until(name, (tenant) => recordedOf(tenant).length === 2));
  const present = async (): Promise<string[]> => {
    const { data } = (await world.workos('GET', '/user_management/authkit_oauth_resources?limit=100')) as unknown as {
      data: { id: string; uri: string }[];
    };
    return data.filter(({ uri }) => new URL(uri).hostname === domain).map(({ id }) => id);
  };
  const enter = async (name: string): Promise<void> => {
    const { uid = '' } = (await world.tenant(name)).metadata;
    const record = domainProof(uid, domain);
    entered.push(record.name);
    const texts = [...entrants, record.value];
    entrants.push(record.value);
    world.setTxt(record.name, ...texts);
    await setDomains(name, domain);
    await look(name);
  };
  const entrants: string[] = [];

  await enter(from);
  await registered(from);
  await enter(to);
  await untilDomain(to, domain, is('Conflict'));
  await setDomains(from);
  await registered(to);
  // The claim was given up only after the registration: the former owner has none left that it could remove.
  expect(recordedOf(await world.tenant(from))).toEqual([]);
  expect((await present()).sort()).toEqual((await registered(to)).sort());

  await enter(last);
  await untilDomain(last, domain, is('Conflict'));
  await world.remove(to);
  expect((await registered(last)).sort()).toEqual((await present()).sort());
  await world.remove(from, last);
  expect(await present()).toEqual([]);
});

test('a tenant that is deleted gives its domains up', async () => {
  const name = world.name('leaver');
  const domain = newDomain();
  await world.kubectl(['apply', '-f', '-'], manifest(name, { suspended: true, deletionPolicy: 'delete', domains: [domain] }));
  await prove(name, domain);
  await world.remove(name);
  await world.eventually('the claim gone', 30_000, async () => ((await claimOf(domain)) === undefined ? true : undefined));
});

test("the installation's own hosts, and what is no host name, are refused", async () => {
  const own = await world.kubectl(['patch', 'tn', first, '--type=merge', '-p', '{"spec":{"domains":["LOCALHOST"]}}']);
  expect(own).toMatchObject({ code: 1, stderr: expect.stringContaining('spec.domains') });
});

test('a domain that is verified costs no write when nothing changed', async () => {
  const domain = newDomain();
  await setDomains(first, domain);
  await prove(first, domain);
  await world.ready(first);
  const settled = await world.until(
    first,
    ({ status }) => status?.conditions?.some(({ type, status: holds }) => type === 'Reconciling' && holds === 'False') ?? false,
  );
  await look(first);
  const after = await world.until(
    first,
    ({ metadata }) =>
      metadata.annotations?.['tenantry.dev/verify-domains'] !== settled.metadata.annotations?.['tenantry.dev/verify-domains'],
  );
  expect(after.status).toEqual(settled.status);
});
