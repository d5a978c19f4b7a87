import { afterAll, beforeAll, expect, it } from 'vitest';
import { callTool } from '../../../../local/mcp-requests.ts';
import { type Session, signIn } from '../../../../local/sign-in.ts';
import { type Customer, mcpOf, newCustomer, viaApi } from '../../../customer.ts';
import { type Member, World } from '../../../world.ts';

/** The sidecar between a real control plane and real users: what a role allows, and what becomes of a tool call's record. */

const world = new World();
let customer: Customer;
let viewer: Member;
let viewing: Session;

beforeAll(async () => {
  customer = await newCustomer(world, viaApi);
  viewer = await world.member(customer.organizationId, 'viewer');
  viewing = await signIn(mcpOf(customer.tenant), viewer);
});

afterAll(async () => {
  await viewing?.client.close();
  await customer?.session.client.close();
  if (customer !== undefined) await world.remove(customer.name);
});

interface Recorded {
  readonly kind: string;
  readonly actor: string;
  readonly outcome: string;
  readonly details: { readonly tool: string; readonly arguments: unknown };
}

async function toolCalls(): Promise<Recorded[]> {
  const response = await fetch(`${world.context.adminUrl}/admin/audit?kind=tool-call&tenant=${customer.name}&limit=200`, {
    headers: { authorization: `Bearer ${world.context.adminToken}` },
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { items: Recorded[] }).items;
}

it('a viewer sees and calls what reads; the other tools say why they are refused', async () => {
  const { tools } = await viewing.client.listTools();
  expect(tools).toHaveLength(10);
  expect(tools.every(({ annotations }) => annotations?.readOnlyHint)).toBe(true);
  const { uid } = await callTool(customer.session.client, 'create_note', { title: 'Shared' });
  expect(await callTool(viewing.client, 'get_note', { uid })).toMatchObject({ version: 1 });
  const refused = await viewing.client.callTool({ name: 'delete_note', arguments: { uid } });
  expect(refused.isError).toBe(true);
  expect(JSON.stringify(refused.content)).toContain('Your role \\"viewer\\" may only read');
  expect(await callTool(viewing.client, 'get_note', { uid })).toMatchObject({ version: 1 });
});

it('each tool call is in the audit a second later, once, without what was written', async () => {
  const words = `confidential ${crypto.randomUUID()}`;
  const { uid } = await callTool(customer.session.client, 'create_note', { title: words });
  await viewing.client.callTool({ name: 'archive_note', arguments: { uid } });
  const records = await world.eventually('the last record', 30_000, async () => {
    const all = await toolCalls();
    return all.some(({ details }) => details.tool === 'archive_note') ? all : undefined;
  });
  const title = `[${words.length} characters]`;
  const ofThese = records.filter(({ details }) => [uid, title].some((mark) => JSON.stringify(details.arguments).includes(String(mark))));
  expect(ofThese).toMatchObject([
    { actor: viewer.userId, outcome: 'forbidden', details: { tool: 'archive_note', arguments: { uid } } },
    { actor: customer.member.userId, outcome: 'ok', details: { tool: 'create_note', arguments: { title } } },
  ]);
  expect(JSON.stringify(records)).not.toContain(words);
});

it('a service that is switched off leaves with its tools and paths, and comes back with its items', async () => {
  const { uid } = await callTool(customer.session.client, 'create_chat', { title: 'Launch' });
  const api = customer.tenant.status?.endpoints?.api ?? '';
  const read = async () => (await fetch(`${api}/v1/chats/${uid}`, { headers: { authorization: `Bearer ${customer.apiKey}` } })).status;
  expect(await read()).toBe(200);
  const turn = async (chats: boolean) => {
    const patched = await world.kubectl([
      'patch',
      'tn',
      customer.name,
      '--type=merge',
      '-p',
      JSON.stringify({ spec: { services: { chats } } }),
    ]);
    expect(patched).toMatchObject({ code: 0 });
    await world.eventually(`chats ${chats ? 'on' : 'off'}`, 60_000, async () => {
      const { tools } = await customer.session.client.listTools();
      return tools.length === (chats ? 40 : 24) || undefined;
    });
  };
  await turn(false);
  expect(await read()).toBe(404);
  const { tools } = await customer.session.client.listTools();
  expect(tools.filter(({ name }) => name.includes('chat'))).toEqual([]);
  await expect(customer.session.client.callTool({ name: 'get_chat', arguments: { uid } })).rejects.toThrow(/no tool "get_chat"/);
  await turn(true);
  expect(await read()).toBe(200);
});
