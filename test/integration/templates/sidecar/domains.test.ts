import type { LookupFunction } from 'node:net';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Agent, fetch as dial } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../eventually.ts';
import { ControlPlanePeer, type Databases, issuer, openDatabases, Program, Stack } from '../stack.ts';

const domains = ['http://mcp.acme.example:8001', 'http://tools.acme.example:8001'] as const;
const [first, second] = domains;

let databases: Databases;
let controlPlane: ControlPlanePeer;
let stack: Stack;
let agent: Agent;

beforeAll(async () => {
  databases = openDatabases();
  controlPlane = await ControlPlanePeer.start();
  stack = await Stack.start({
    databaseUrl: await databases.createDatabase('acme'),
    controlPlane,
    mcp: { TENANTRY_DOMAINS: JSON.stringify(domains) },
  });
  // Every name leads to the sidecar, as the tenant's DNS records and the gateway would.
  const lookup: LookupFunction = (_host, options, done) =>
    options.all ? done(null, [{ address: stack.address, family: 4 }]) : done(null, stack.address, 4);
  agent = new Agent({ connect: { lookup } });
});

afterAll(async () => {
  await agent?.destroy();
  await stack?.stop();
  await controlPlane?.close();
  await databases?.remove();
});

const fetchThere = (async (url: string | URL, init?: object) => await dial(url, { ...init, dispatcher: agent })) as unknown as typeof fetch;

async function token(audience: string): Promise<string> {
  controlPlane.members.add('user_ada');
  return await controlPlane.sign({ iss: issuer, aud: audience, sub: 'user_ada', exp: Math.floor(Date.now() / 1000) + 300 });
}

async function list(url: string, credential?: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetchThere(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(credential !== undefined && { authorization: `Bearer ${credential}` }),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
  });
}

describe.each(domains)('%s', (origin) => {
  it.each(['auto', 'legacy'] as const)('serves a client of %s with a token for it', async (mode) => {
    const client = new Client({ name: 'tests', version: '1' }, { versionNegotiation: { mode } });
    const headers = { authorization: `Bearer ${await token(`${origin}/mcp`)}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { fetch: fetchThere, requestInit: { headers } }));
    expect((await client.listTools()).tools).toHaveLength(40);
    const made = await client.callTool({ name: 'create_note', arguments: { title: origin } });
    expect(made.structuredContent).toMatchObject({ createdBy: 'user_ada' });
    await client.close();
  });

  it('serves the REST API with a token for that', async () => {
    const url = `${origin}/api/v1/notes`;
    const get = async (audience: string) =>
      (await fetchThere(url, { headers: { authorization: `Bearer ${await token(audience)}` } })).status;
    expect(await get(`${origin}/api`)).toBe(200);
    expect(await get(`${origin}/mcp`)).toBe(401);
    expect(await get(stack.apiUrl)).toBe(401);
  });

  it.each(['mcp', 'api'])('describes /%s where RFC 9728 puts it, and leads there', async (door) => {
    const metadata = `${origin}/.well-known/oauth-protected-resource/${door}`;
    expect(await (await fetchThere(metadata)).json()).toEqual({
      resource: `${origin}/${door}`,
      authorization_servers: [issuer],
      bearer_methods_supported: ['header'],
      resource_name: 'Acme Ltd',
    });
    const challenge = await fetchThere(`${origin}/${door}${door === 'api' ? '/v1/notes' : ''}`);
    expect(challenge.status).toBe(401);
    expect(challenge.headers.get('www-authenticate')).toContain(`resource_metadata="${metadata}"`);
  });
});

it('a token opens the URL it was made for and no other of the tenant', async () => {
  const urls = [stack.mcpUrl, `${first}/mcp`, `${second}/mcp`];
  for (const audience of urls) {
    for (const url of urls) {
      const response = await list(url, await token(audience));
      expect(response.status, `${audience} at ${url}`).toBe(url === audience ? 200 : 401);
    }
  }
});

it('an API key opens all of them', async () => {
  const key = await stack.addKey(['mcp']);
  for (const url of [stack.mcpUrl, `${first}/mcp`, `${second}/mcp`]) {
    await eventually(`key at ${url}`, async () => (await list(url, key)).ok);
  }
});

it('each host has its own paths', async () => {
  const credential = await token(stack.mcpUrl);
  for (const url of [
    `${first}/t/acme/mcp`,
    `${first}/t/acme/api/v1/notes`,
    `${first}/.well-known/oauth-protected-resource/t/acme/mcp`,
    `${stack.sidecarOrigin}/mcp`,
    `${stack.sidecarOrigin}/.well-known/oauth-protected-resource/mcp`,
    'http://evil.example:8001/mcp',
  ]) {
    expect((await list(url, credential)).status, url).toBe(404);
  }
  expect((await list('http://evil.example:8001/t/acme/mcp', credential)).status).toBe(403);
  expect((await list('http://x.mcp.acme.example:8001/t/acme/mcp', credential)).status).toBe(403);
});

it('pages of the tenant alone may call it', async () => {
  const credential = await token(`${first}/mcp`);
  expect((await list(`${first}/mcp`, credential, { origin: first })).status).toBe(200);
  expect((await list(`${first}/mcp`, credential, { origin: 'https://mcp.acme.example' })).status).toBe(403);
  expect((await list(`${first}/mcp`, credential, { origin: 'http://evil.example' })).status).toBe(403);
});

it('are not started with what is no origin', async () => {
  for (const wrong of ['mcp.acme.example', '["mcp.acme.example"]', '["https://mcp.acme.example/"]', '["ftp://a.example"]', '{}']) {
    const program = new Program(['mcp'], stack.mcpEnvironment({ TENANTRY_DOMAINS: wrong }));
    expect(await program.exited, wrong).toBe(1);
    expect(program.output).toMatch(/^TENANTRY_DOMAINS must be/);
  }
});
