import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../eventually.ts';
import { ControlPlanePeer, type Databases, environmentClientId, issuer, openDatabases, Stack } from '../stack.ts';

let databases: Databases;
let controlPlane: ControlPlanePeer;
let stack: Stack;

beforeAll(async () => {
  databases = openDatabases();
  controlPlane = await ControlPlanePeer.start();
  stack = await Stack.start({ databaseUrl: await databases.createDatabase('acme'), controlPlane });
});

afterAll(async () => {
  await stack?.stop();
  await controlPlane?.close();
  await databases?.remove();
});

beforeEach(() => {
  controlPlane.down = false;
});

const seconds = () => Math.floor(Date.now() / 1000);

/** A token as the authorization server issues it for a member, with changes. */
async function token(changes: Record<string, unknown> = {}, header: Parameters<ControlPlanePeer['sign']>[1] = {}): Promise<string> {
  const subject = `user_${crypto.randomUUID().slice(0, 8)}`;
  controlPlane.members.add(subject);
  return await controlPlane.sign(
    { iss: issuer, aud: stack.mcpUrl, sub: subject, iat: seconds(), exp: seconds() + 300, ...changes },
    header,
  );
}

/** One tools/list, as a client of 2025-11-25 sends it; with a method, another request. */
async function ask(headers: Record<string, string>, method = 'tools/list', url = stack.mcpUrl): Promise<Response> {
  return await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({
      jsonrpc: '2.0',
      ...(!method.startsWith('notifications/') && { id: 1 }),
      method,
      params:
        method === 'initialize'
          ? { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'tests', version: '1' } }
          : method === 'tools/call'
            ? { name: 'list_notes', arguments: {} }
            : {},
    }),
  });
}

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
const metadataUrl = () => `${stack.sidecarOrigin}/.well-known/oauth-protected-resource/t/acme/mcp`;

async function expectChallenge(response: Response, error: 'invalid_token' | undefined): Promise<void> {
  expect(response.status).toBe(401);
  const challenge = response.headers.get('www-authenticate') ?? '';
  expect(challenge).toMatch(/^Bearer /);
  expect(challenge).toContain(`resource_metadata="${metadataUrl()}"`);
  if (error === undefined) expect(challenge).not.toContain('error=');
  else expect(challenge).toContain(`error="${error}"`);
  expect(await response.json()).toMatchObject({ status: 401 });
}

describe('OAuth tokens', () => {
  it('of a member let in, and the API learns who it is', async () => {
    const mine = await token();
    expect((await ask(bearer(mine))).status).toBe(200);
    const client = await stack.connect(mine);
    const result = await client.callTool({ name: 'create_note', arguments: { title: 'mine' } });
    expect((result.structuredContent as { createdBy: string }).createdBy).toMatch(/^user_/);
    await client.close();
  });

  it('are asked for with the address of the metadata', async () => {
    await expectChallenge(await ask({}), undefined);
    await expectChallenge(await fetch(stack.mcpUrl), undefined);
  });

  it.each<[string, () => Promise<string>]>([
    ['expired by a second', () => token({ exp: seconds() - 1 })],
    ['not valid yet', () => token({ nbf: seconds() + 60 })],
    ['without expiry', () => token({ exp: undefined })],
    ['without subject', () => token({ sub: undefined })],
    ['of a subject that is a path', () => token({ sub: '..' })],
    ['of another issuer', () => token({ iss: 'https://evil.authkit.app' })],
    ['for the API', () => token({ aud: stack.apiUrl })],
    ['for the parent path', () => token({ aud: `${stack.sidecarOrigin}/t/acme` })],
    ['for a longer path', () => token({ aud: `${stack.mcpUrl}/` })],
    ['for another tenant', () => token({ aud: stack.mcpUrl.replace('acme', 'beta') })],
    ['without audience', () => token({ aud: undefined })],
    ['signed by a stranger with our key id', async () => token({}, { key: (await generateKeyPair('RS256')).privateKey })],
    ['signed by a stranger with his key id', async () => token({}, { kid: 'evil', key: (await generateKeyPair('RS256')).privateKey })],
    ['with its claims changed', async () => tampered(await token())],
    ['without signature', async () => unsigned(await token())],
    ['signed by a shared secret', () => symmetric(new TextEncoder().encode('first'.repeat(10)))],
    ['signed by the public key as if it was a shared secret', async () => symmetric(await publicKey())],
    ['with a key of its own in its header', () => selfSigned()],
    ['that is no token', async () => 'abc'],
    ['that is empty but for dots', async () => '..'],
  ])('%s are refused with a challenge', async (_case, make) => {
    await expectChallenge(await ask(bearer(await make())), 'invalid_token');
  });

  it('in another scheme or twice are refused', async () => {
    await expectChallenge(await ask({ authorization: 'Basic dXNlcjpwYXNz' }), 'invalid_token');
    await expectChallenge(await ask({ authorization: `Bearer ${await token()}, Bearer x` }), 'invalid_token');
  });

  it('of users who are not members are refused with 403, also when they became members just before', async () => {
    const stranger = await controlPlane.sign({ iss: issuer, aud: stack.mcpUrl, sub: 'user_stranger', exp: seconds() + 300 });
    expect((await ask(bearer(stranger))).status).toBe(403);
    controlPlane.members.add('user_stranger');
    expect((await ask(bearer(stranger))).status).toBe(403);
    await eventually('the new member is let in', async () => (await ask(bearer(stranger))).status === 200);
  });

  it('are judged by membership, not by the organization they name', async () => {
    expect((await ask(bearer(await token({ org_id: 'org_other' })))).status).toBe(200);
    const sub = 'user_of_another_organization';
    expect((await ask(bearer(await token({ sub, org_id: 'org_acme' })))).status).toBe(403);
  });

  it('of a new signing key are accepted, once the keys may be fetched again', async () => {
    await controlPlane.rotateKey('second');
    const fresh = await token();
    await eventually('token of the new key is accepted', async () => (await ask(bearer(fresh))).status === 200);
  });

  it('with forged key ids do not make the sidecar ask for keys each time', async () => {
    const before = controlPlane.requests.filter((url) => url.endsWith('/jwks')).length;
    for (let n = 0; n < 30; n++)
      await ask(bearer(await token({}, { kid: `evil-${n}`, key: (await generateKeyPair('ES256')).privateKey }).catch(() => 'x.y.z')));
    const { privateKey } = await generateKeyPair('RS256');
    for (let n = 0; n < 30; n++) expect((await ask(bearer(await token({}, { kid: `evil-${n}`, key: privateKey })))).status).toBe(401);
    expect(controlPlane.requests.filter((url) => url.endsWith('/jwks')).length - before).toBeLessThanOrEqual(1);
  });

  it('are remembered for a short time while the control plane is away, and never let anybody new in', async () => {
    const known = await token();
    expect((await ask(bearer(known))).status).toBe(200);
    const unknown = await token();
    controlPlane.down = true;
    expect((await ask(bearer(known))).status).toBe(200);
    const refused = await ask(bearer(unknown));
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('7');
    expect(refused.headers.get('www-authenticate')).toBeNull();
  });

  it('are checked with the pod token as it is now', async () => {
    await writeFile(stack.file('token'), 'stale');
    expect((await ask(bearer(await token()))).status).toBe(503);
    await writeFile(stack.file('token'), controlPlane.token);
    expect((await ask(bearer(await token()))).status).toBe(200);
  });
});

describe('machine-to-machine tokens', () => {
  const application = 'client_01MACHINE';
  /** A token as the authorization server issues it for an application of the tenant's organization, with changes. */
  const machineToken = (changes: Record<string, unknown> = {}, header: Parameters<ControlPlanePeer['sign']>[1] = {}) =>
    token({ aud: environmentClientId, sub: application, client_id: application, org_id: 'org_acme', scope: 'mcp', ...changes }, header);
  const listNotes = (credential: string, init: RequestInit = {}) =>
    fetch(`${stack.apiUrl}/v1/notes`, { ...init, headers: { ...bearer(credential), 'content-type': 'application/json' } });

  it('let an application in, and the API learns which one', async () => {
    const client = await stack.connect(await machineToken());
    const result = await client.callTool({ name: 'create_note', arguments: { title: 'by a machine' } });
    expect((result.structuredContent as { createdBy: string }).createdBy).toBe(application);
    await client.close();
    const recorded = () => [...controlPlane.records.values()].find(({ subject }) => subject === application);
    expect(await eventually('the call is recorded', async () => recorded())).toMatchObject({
      organizationId: 'org_acme',
      tool: 'create_note',
    });
  });

  it('need no membership, nor a claim that names the client twice', async () => {
    controlPlane.members.delete(application);
    expect((await ask(bearer(await machineToken({ client_id: undefined })))).status).toBe(200);
  });

  it('are judged by scope, each for its own door', async () => {
    const reads = await machineToken({ scope: 'openid mcp:read api:read' });
    const client = await stack.connect(reads);
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    await client.close();
    expect(names).toContain('list_notes');
    expect(names).not.toContain('create_note');
    expect((await listNotes(reads)).status).toBe(200);
    expect((await listNotes(reads, { method: 'POST', body: '{"title": "no"}' })).status).toBe(403);
    expect((await listNotes(await machineToken({ scope: 'api' }), { method: 'POST', body: '{"title": "yes"}' })).status).toBe(201);
    expect((await listNotes(await machineToken({ scope: 'mcp' }))).status).toBe(403);
  });

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['another', 'openid profile email'],
    ['that of the API', 'api'],
    ['one that begins alike', 'mcp2 mcp:write MCP'],
    ['that of the probe', 'probe'],
    ['a list in place of text', ['mcp']],
  ])('are refused where the scope is %s', async (_case, scope) => {
    const refused = await ask(bearer(await machineToken({ scope })));
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  });

  it.each([
    ['another organization', 'org_globex'],
    ['no organization', undefined],
    ['a list with the organization', ['org_acme']],
    ['an organization that begins alike', 'org_acme2'],
  ])('of %s are refused', async (_case, org_id) => {
    const refused = await ask(bearer(await machineToken({ org_id })));
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain("does not belong to this tenant's organization");
  });

  it.each<[string, () => Promise<string>]>([
    ['of a user, asked for without a resource', () => token({ aud: environmentClientId, org_id: 'org_acme', scope: 'mcp' })],
    ['of a user whose client is an application', () => machineToken({ sub: 'user_01' })],
    ['with a session', () => machineToken({ sid: 'app_consent_01' })],
    ['of the environment itself', () => machineToken({ sub: environmentClientId, client_id: environmentClientId })],
    ['of one application that names another', () => machineToken({ client_id: 'client_01OTHER' })],
    ['without subject', () => machineToken({ sub: undefined })],
    ['of a subject that is a path', () => machineToken({ sub: 'client_../x', client_id: undefined })],
    ['for another environment', () => machineToken({ aud: 'client_01OTHER' })],
    ['for two environments', () => machineToken({ aud: [environmentClientId, 'client_01OTHER'] })],
    ['of another issuer', () => machineToken({ iss: 'https://evil.authkit.app' })],
    ['of the issuer of session tokens', () => machineToken({ iss: 'https://api.workos.com' })],
    ['expired by a second', () => machineToken({ exp: seconds() - 1 })],
    ['without expiry', () => machineToken({ exp: undefined })],
    ['not valid yet', () => machineToken({ nbf: seconds() + 60 })],
    ['without signature', async () => unsigned(await machineToken())],
    ['with its claims changed', async () => tampered(await machineToken({ org_id: 'org_globex' }), { org_id: 'org_acme' })],
    ['signed by a stranger with our key id', async () => machineToken({}, { key: (await generateKeyPair('RS256')).privateKey })],
  ])('%s are refused with a challenge', async (_case, make) => {
    await expectChallenge(await ask(bearer(await make())), 'invalid_token');
  });

  it('for the tenant’s URL are a user’s, whose membership decides', async () => {
    const posing = await machineToken({
      aud: [environmentClientId, stack.mcpUrl],
      sub: 'client_01STRANGER',
      client_id: 'client_01STRANGER',
    });
    controlPlane.members.delete('client_01STRANGER');
    expect((await ask(bearer(posing))).status).toBe(403);
  });
});

describe('API keys', () => {
  const added = async (...args: Parameters<Stack['addKey']>) => {
    const key = await stack.addKey(...args);
    return key;
  };
  const accepted = (key: string) => eventually('key is known', async () => (await ask(bearer(key))).status === 200);

  it('work as bearer token and as X-API-Key', async () => {
    const key = await added(['mcp']);
    await accepted(key);
    expect((await ask({ 'x-api-key': key })).status).toBe(200);
  });

  it('that are unknown, mistyped, expired or not ours are refused', async () => {
    const key = await added(['mcp']);
    const expired = await added(['mcp'], new Date(Date.now() - 1000).toISOString());
    await accepted(key);
    const mistyped = key.slice(0, -1) + (key.endsWith('a') ? 'b' : 'a');
    for (const bad of [mistyped, expired, 'tnt_', `${key}x`, key.slice(0, -1)])
      await expectChallenge(await ask(bearer(bad)), 'invalid_token');
    await expectChallenge(await ask({ 'x-api-key': 'secret' }), 'invalid_token');
  });

  it('are judged by scope, each for its own door', async () => {
    const api = await added(['api']);
    const mcp = await added(['mcp']);
    await accepted(mcp);
    expect((await fetch(`${stack.apiUrl}/v1/notes`, { headers: bearer(api) })).status).toBe(200);
    expect((await fetch(`${stack.apiUrl}/v1/notes`, { headers: bearer(mcp) })).status).toBe(403);
    const refused = await ask(bearer(api));
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  });

  it('of scope probe may make the handshake and list tools, and nothing else', async () => {
    const probe = await added(['probe']);
    await accepted(probe);
    for (const method of ['initialize', 'ping', 'tools/list']) expect((await ask(bearer(probe), method)).status, method).toBe(200);
    expect((await ask(bearer(probe), 'notifications/initialized')).status).toBe(202);
    for (const method of ['tools/call', 'subscriptions/listen', 'resources/list', 'logging/setLevel', 'Tools/List']) {
      expect((await ask(bearer(probe), method)).status, method).toBe(403);
    }
    const batch = await fetch(stack.mcpUrl, {
      method: 'POST',
      headers: { ...bearer(probe), 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify([
        { jsonrpc: '2.0', id: 1, method: 'tools/list' },
        { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'list_notes', arguments: {} } },
      ]),
    });
    expect(batch.status).toBe(403);
    expect((await fetch(stack.mcpUrl, { headers: bearer(probe) })).status).toBe(403);
    expect((await fetch(`${stack.apiUrl}/v1/notes`, { headers: bearer(probe) })).status).toBe(403);
    for (const mode of ['auto', 'legacy'] as const) {
      const client = await stack.connect(probe, mode);
      expect((await client.listTools()).tools).toHaveLength(40);
      await expect(client.callTool({ name: 'list_notes', arguments: {} })).rejects.toThrow();
      await client.close();
    }
  });

  it('that are revoked end the streams they have opened', async () => {
    const key = await added(['mcp']);
    await accepted(key);
    const client = await stack.connect(key);
    const subscription = await client.listen({ toolsListChanged: true });
    let ended: string | undefined;
    void subscription.closed.then((how) => {
      ended = how;
    });
    const opened = Date.now();
    const id = key.split('_')[1] ?? '';
    // Who may stay is not cut off.
    await eventually('another check', async () => Date.parse(controlPlane.keyUses.get(id) ?? '') > opened + 1000);
    expect(ended).toBeUndefined();
    await stack.revokeKeys();
    expect(await eventually('stream ends', async () => ended)).toBe('remote');
    await client.close();
  });

  it('are revoked by the file alone, and unreadable files let nobody in', async () => {
    const key = await added(['mcp']);
    await accepted(key);
    await stack.revokeKeys();
    await eventually('key is revoked', async () => (await ask(bearer(key))).status === 401);
    const again = await added(['mcp']);
    await accepted(again);
    await stack.writeKeys('[{"id": ');
    const refused = await eventually('broken file is noticed', async () => {
      const response = await ask(bearer(again));
      return response.status === 503 && response;
    });
    expect(refused.headers.get('retry-after')).toBe('2');
    await stack.writeKeys();
    await accepted(again);
  });
});

describe('metadata', () => {
  it('names the resource and its authorization server from the configuration, for everybody', async () => {
    const response = await fetch(metadataUrl(), { headers: { origin: 'https://anywhere.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await response.json()).toEqual({
      resource: stack.mcpUrl,
      authorization_servers: [issuer],
      bearer_methods_supported: ['header'],
      resource_name: 'Acme Ltd',
    });
    expect(await (await fetch(metadataUrl().replace('/mcp', '/api'))).json()).toMatchObject({ resource: stack.apiUrl });
    expect((await fetch(metadataUrl(), { method: 'OPTIONS' })).status).toBe(204);
    expect((await fetch(metadataUrl(), { method: 'POST' })).status).toBe(405);
  });

  it('and the challenge are not chosen by Host or forwarded headers', async () => {
    const { body } = await raw('GET', new URL(metadataUrl()).pathname, { host: 'evil.example', 'x-forwarded-host': 'evil.example' });
    expect(JSON.parse(body).resource).toBe(stack.mcpUrl);
    const { headers } = await raw('POST', '/t/acme/mcp', { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' });
    expect(headers['www-authenticate']).toContain(metadataUrl());
  });
});

describe('pages in browsers', () => {
  it.each([
    [{ host: 'evil.example' }, 403],
    [{ host: 'evil.example:8001', origin: 'http://evil.example:8001' }, 403],
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'http://localhost:3000' }, 403],
    [{}, 200],
  ])('with %j get %i', async (headers, status) => {
    const authorization = `Bearer ${await token()}`;
    const answer = await raw('POST', '/t/acme/mcp', { authorization, ...headers }, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}');
    expect(answer.status).toBe(status);
  });

  it('of the tenant itself are served', async () => {
    expect((await ask({ ...bearer(await token()), origin: stack.sidecarOrigin })).status).toBe(200);
  });
});

describe('the public API', () => {
  const apiToken = () => token({ aud: stack.apiUrl });

  it('takes tokens for its own URL alone and knows who writes', async () => {
    const mine = bearer(await apiToken());
    const made = await fetch(`${stack.apiUrl}/v1/notes`, {
      method: 'POST',
      headers: { ...mine, 'content-type': 'application/json', 'x-request-id': 'public-1' },
      body: JSON.stringify({ title: 'public' }),
    });
    expect(made.status).toBe(201);
    expect(made.headers.get('x-request-id')).toBe('public-1');
    expect(made.headers.get('content-security-policy')).toContain('sandbox');
    const item = (await made.json()) as { createdBy: string };
    expect(item.createdBy).toMatch(/^user_/);
    const location = new URL(made.headers.get('location') ?? '', made.url);
    expect(await (await fetch(location, { headers: mine })).json()).toEqual(item);
    const refused = await fetch(`${stack.apiUrl}/v1/notes`, { headers: bearer(await token()) });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('/.well-known/oauth-protected-resource/t/acme/api"');
    expect((await fetch(`${stack.apiUrl}/v1/notes`)).status).toBe(401);
  });

  it('passes queries, problems and the document', async () => {
    const mine = bearer(await apiToken());
    expect((await fetch(`${stack.apiUrl}/v1/notes?limit=0`, { headers: mine })).status).toBe(400);
    const fault = await fetch(`${stack.apiUrl}/v1/notes`, {
      method: 'POST',
      headers: { ...mine, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(fault.status).toBe(422);
    expect(fault.headers.get('content-type')).toContain('application/problem+json');
    const answer = await fetch(`${stack.apiUrl}/openapi.json`, { headers: mine });
    const document = (await answer.json()) as { servers: [{ url: string }] };
    expect(new URL(document.servers[0].url, `${stack.apiUrl}/openapi.json`).href).toBe(`${stack.apiUrl}/`);
  });

  it.each([
    '/metrics',
    '/healthz',
    '/readyz',
    '/METRICS',
    '/metrics/',
    '/metrics?x=1',
    '/%6detrics',
    '/metrics;x',
    '/v1/../metrics',
    '/v1/..%2fmetrics',
    '/v1/%2e%2e/metrics',
    '/./metrics',
    '//metrics',
    '/v1//notes',
    '/v1%2fnotes',
    '/v1\\..\\metrics',
    '/%5cmetrics',
    '/%00',
    '/%zz',
    '/..;/metrics',
    '',
  ])('has nothing at %j', async (path) => {
    const answer = await raw('GET', `/t/acme/api${path}`, { authorization: `Bearer ${await apiToken()}` });
    expect(answer.status).toBe(404);
    expect(answer.body).not.toContain('process_cpu');
  });

  it('does not let a caller bring its own assertion', async () => {
    const answer = await fetch(`${stack.apiUrl}/v1/notes`, {
      headers: { 'x-api-key': await stack.addKey(['mcp']), authorization: bearer(await apiToken()).authorization },
    });
    expect(answer.status).toBe(200);
  });
});

describe('messages', () => {
  const post = async (body: string, headers: Record<string, string> = {}) =>
    await fetch(stack.mcpUrl, {
      method: 'POST',
      headers: { ...bearer(await token()), 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body,
    });

  it('that are malformed, too large or of another type are refused', async () => {
    const malformed = await post('{"jsonrpc": ');
    expect(malformed.status).toBe(400);
    expect(await malformed.json()).toMatchObject({ error: { code: -32700 } });
    expect((await post('7')).status).toBe(400);
    expect((await post(JSON.stringify({ x: 'y'.repeat(1_100_000) }))).status).toBe(413);
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await fetch(stack.mcpUrl, { headers: bearer(await token()) })).status).toBe(405);
  });

  it.each([
    ['with its length', true],
    ['in chunks', false],
  ])('too large, sent %s, are answered, and the connection serves the next', async (_case, withLength) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<object>();
    const authorization = `Bearer ${await token()}`;
    const send = (body: string, headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const options = {
          method: 'POST',
          agent,
          headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
        };
        const sending = request(stack.mcpUrl, options, (response) => {
          response.resume().once('end', () => resolve(response.statusCode));
        });
        sending.once('error', reject);
        sending.once('socket', (socket) => sockets.add(socket));
        if (withLength) sending.setHeader('content-length', Buffer.byteLength(body));
        else sending.write(body.slice(0, 1));
        sending.end(withLength ? body : body.slice(1));
      });
    const large = JSON.stringify({ x: 'y'.repeat(3_000_000) });
    const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
    for (let n = 0; n < 10; n++) {
      expect(await send(large, { authorization })).toBe(413);
      expect(await send(large, {})).toBe(401);
      expect(await send(list, { authorization })).toBe(200);
    }
    expect(sockets.size).toBe(1);
    agent.destroy();
  });

  it('to no known place are answered 404', async () => {
    for (const path of ['/', '/mcp', '/t/beta/mcp', '/t/acme', '/t/acme/mcp/', '/openapi.json', '/v1/notes']) {
      expect((await fetch(stack.sidecarOrigin + path, { headers: bearer(await token()) })).status, path).toBe(404);
    }
  });
});

/** A request as it stands: neither path nor Host is tidied up by a client. */
async function raw(method: string, path: string, headers: Record<string, string>, body = '') {
  return await new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const outgoing = request(
      {
        host: stack.address,
        port: 8001,
        method,
        path,
        headers: {
          accept: 'application/json, text/event-stream',
          ...(body !== '' && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function tampered(jwt: string, changes: object = { sub: 'user_root' }): string {
  const [head, claims = '', signature] = jwt.split('.');
  const changed = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), ...changes };
  return [head, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
}

function unsigned(jwt: string): string {
  return [Buffer.from('{"alg":"none"}').toString('base64url'), jwt.split('.')[1], ''].join('.');
}

/** Everybody has it: a verifier that lets the token choose the algorithm would take it for a secret. */
async function publicKey(): Promise<Uint8Array> {
  const response = await fetch(`${controlPlane.url}/pods/v1/jwks`, { headers: bearer(controlPlane.token) });
  const { keys } = (await response.json()) as { keys: [JWK] };
  return new TextEncoder().encode(await exportSPKI((await importJWK(keys[0], 'RS256', { extractable: true })) as CryptoKey));
}

async function selfSigned(): Promise<string> {
  const { privateKey, publicKey: own } = await generateKeyPair('ES256');
  controlPlane.members.add('user_x');
  return await new SignJWT({ iss: issuer, aud: stack.mcpUrl, sub: 'user_x', exp: seconds() + 300 })
    .setProtectedHeader({ alg: 'ES256', jwk: await exportJWK(own), jku: 'http://evil.example/jwks' })
    .sign(privateKey);
}

async function symmetric(secret: Uint8Array): Promise<string> {
  controlPlane.members.add('user_x');
  return await new SignJWT({ iss: issuer, aud: stack.mcpUrl, sub: 'user_x', exp: seconds() + 300 })
    .setProtectedHeader({ alg: 'HS256', kid: 'first' })
    .sign(secret);
}
