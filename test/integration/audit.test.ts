import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyExport } from '../../audit/export.ts';
import type { AuditRecord } from '../../audit/record.ts';
import type { SignedHead } from '../../audit/statements.ts';
import { namespaceOf } from '../../crds/names.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { callTool } from '../../local/mcp-requests.ts';
import { connectWithToken } from '../../local/sign-in.ts';
import { type Customer, mcpOf, newCustomer, viaApi } from '../customer.ts';
import { World } from '../world.ts';

/** All parts that write audit records, as they ship: Admin API, sidecar and operator; and an offline verification. */

const world = new World();
const secretText = 'what-nobody-else-may-read';
let customer: Customer;

beforeAll(async () => {
  customer = await newCustomer(world, viaApi);
});

afterAll(async () => {
  if (customer) await world.remove(customer.name);
});

async function read(path: string): Promise<Response> {
  const response = await fetch(`${world.context.adminUrl}${path}`, { headers: { authorization: `Bearer ${world.context.adminToken}` } });
  expect(response.status).toBe(200);
  return response;
}

async function recorded(query: string): Promise<AuditRecord[]> {
  const { items } = (await (await read(`/admin/audit?tenant=${customer.name}&limit=500&${query}`)).json()) as { items: AuditRecord[] };
  return items;
}

const until = (what: string, query: string, count: number) =>
  world.eventually(what, 30_000, async () => {
    const records = await recorded(query);
    return records.length >= count ? records : undefined;
  });

test('a creation is recorded with its administrator', async () => {
  const records = await recorded('action=tenants.create');
  expect(records.map(({ outcome }) => outcome)).toEqual(['ok', 'intended']);
  expect(records[0]).toMatchObject({ kind: 'admin', tenant: { name: customer.name, uid: customer.tenant.metadata.uid } });
  expect(new Set(records.map(({ actor }) => actor)).size).toBe(1);
});

test('tool calls are recorded with their callers, by token and by key, also failed ones', async () => {
  await callTool(customer.session.client, 'create_note', { title: secretText });
  await customer.session.client.callTool({ name: 'get_note', arguments: { uid: 'nonsense' } });
  const machine = await connectWithToken(mcpOf(customer.tenant), customer.apiKey);
  await callTool(machine, 'list_notes', { limit: 2 });
  await machine.close();
  const calls = (await until('three calls', 'kind=tool-call', 3)).toReversed();
  expect(calls.map(({ actor, outcome, details }) => [actor, outcome, (details as { tool: string }).tool])).toEqual([
    [customer.member.userId, 'ok', 'create_note'],
    [customer.member.userId, expect.not.stringMatching(/^ok$/), 'get_note'],
    [`key:${customer.apiKey.split('_')[1]}`, 'ok', 'list_notes'],
  ]);
  expect(calls[0]).toMatchObject({ action: 'tools.call', organizationId: customer.organizationId });
});

test('a rotation is recorded with its administrator and the operator’s reads', async () => {
  const { response } = await world.admin.POST('/admin/tenants/{name}/rotate', { params: { path: { name: customer.name } } });
  expect(response.status).toBeLessThan(300);
  await until('the rotation', 'kind=rotation&outcome=ok', 1);
  expect((await recorded('action=tenants.rotate')).map(({ outcome }) => outcome)).toEqual(['ok', 'intended']);
  const reads = await recorded('kind=secret-read');
  expect(reads.length).toBeGreaterThan(0);
  for (const { actor, details } of reads) {
    expect(actor).toBe('tenantry-system/tenantry-operator');
    expect(details).toMatchObject({ purpose: expect.any(String), secrets: expect.any(Array) });
  }
});

test('an export is complete, verifiable offline and without secrets', async () => {
  const { keys } = (await (await read('/admin/audit/keys')).json()) as { keys: unknown[] };
  const { items: heads } = (await (await read(`/admin/audit/heads?tenant=${customer.name}`)).json()) as { items: SignedHead[] };
  const text = await (await read(`/admin/audit/export?tenant=${customer.name}`)).text();
  const verdict = await verifyExport(text.split('\n'), { keys, heads });
  expect(verdict).toMatchObject({ ok: true, months: [{ chain: customer.tenant.metadata.uid, state: 'intact' }] });
  expect(verdict.records).toBeGreaterThan(6);
  expect(await (await read(`/admin/audit/verify?tenant=${customer.name}`)).json()).toMatchObject({ ok: true });
  const values = [secretText, customer.apiKey, customer.apiKey.split('_').at(-1) ?? ''];
  const { items } = await world.kube.list<KubeObject & { data?: Record<string, string> }>(kinds.Secret, {
    namespace: namespaceOf(customer.name),
  });
  for (const { data = {} } of items) values.push(...Object.values(data).map((value) => Buffer.from(value, 'base64').toString()));
  const found = values.filter((value) => value.length >= 12 && text.includes(value));
  expect(found.length).toBe(0);
  expect(values.length).toBeGreaterThan(5);
});
