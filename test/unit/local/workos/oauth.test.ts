import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  auth,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from '@modelcontextprotocol/client';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signInByScript } from '../../../../local/workos/sign-in-by-script.ts';
import { startWorkos, type WorkosStandIn } from '../../../../local/workos/start.ts';
import { claimsOf } from './environment.ts';

const password = 'correct horse battery';
let dir: string;
let workos: WorkosStandIn;
let protectedServer: { url: string; close: () => void };
let organizationId: string;
let userId: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'workos-'));
  workos = await startWorkos({ port: 0, dir });
  protectedServer = await serveMetadata(workos.issuer);
  organizationId = workos.createOrganization({ name: 'Acme' }).id;
  userId = (await workos.createUser({ email: 'ann@acme.example', password, firstName: 'Ann' })).id;
  workos.createMembership({ userId, organizationId });
  await register(protectedServer.url);
});

afterAll(async () => {
  protectedServer.close();
  await workos.close();
  await rm(dir, { recursive: true });
});

async function register(uri: string): Promise<string> {
  const response = await fetch(`${workos.apiUrl}/user_management/authkit_oauth_resources`, {
    method: 'POST',
    headers: { authorization: `Bearer ${workos.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ uri }),
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { id: string }).id;
}

/** A protected resource as far as discovery sees it: RFC 9728 metadata naming the authorization server. */
async function serveMetadata(issuer: string): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const known = request.url === '/.well-known/oauth-protected-resource/mcp';
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(known ? { resource: `http://localhost:${port}/mcp`, authorization_servers: [issuer] } : {}));
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return { url: `http://localhost:${(server.address() as AddressInfo).port}/mcp`, close: () => server.close() };
}

/** A client of the official library that keeps everything in memory and "opens the browser" by script. */
class Client implements OAuthClientProvider {
  readonly redirectUrl = 'http://127.0.0.1:33418/callback';
  readonly clientMetadata = { client_name: 'Test client', redirect_uris: [this.redirectUrl], token_endpoint_auth_method: 'none' };
  readonly email: string;
  readonly organizationId: string | undefined;
  registered: StoredOAuthClientInformation | undefined;
  saved: StoredOAuthTokens | undefined;
  answer: URL | undefined;
  #verifier = '';
  #discovery: OAuthDiscoveryState | undefined;

  constructor(email: string, organizationId?: string) {
    this.email = email;
    this.organizationId = organizationId;
  }

  clientInformation() {
    return this.registered;
  }
  saveClientInformation(information: StoredOAuthClientInformation) {
    this.registered = information;
  }
  tokens() {
    return this.saved;
  }
  saveTokens(tokens: StoredOAuthTokens) {
    this.saved = tokens;
  }
  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier;
  }
  codeVerifier() {
    return this.#verifier;
  }
  saveDiscoveryState(state: OAuthDiscoveryState) {
    this.#discovery = state;
  }
  discoveryState() {
    return this.#discovery;
  }
  async redirectToAuthorization(url: URL) {
    const choice = this.organizationId === undefined ? {} : { organizationId: this.organizationId };
    this.answer = await signInByScript(url, { email: this.email, password, ...choice });
  }

  /** The whole flow: discovery, registration, sign-in, token. */
  async authorize(serverUrl = protectedServer.url): Promise<StoredOAuthTokens> {
    expect(await auth(this, { serverUrl })).toBe('REDIRECT');
    const { searchParams } = this.answer ?? expect.unreachable('no redirect');
    expect(searchParams.get('error'), searchParams.get('error_description') ?? '').toBeNull();
    const iss = searchParams.get('iss');
    expect(await auth(this, { serverUrl, authorizationCode: searchParams.get('code') ?? '', ...(iss === null ? {} : { iss }) })).toBe(
      'AUTHORIZED',
    );
    return this.saved ?? expect.unreachable('no tokens');
  }
}

async function verify(token: string, audience = protectedServer.url) {
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(`${workos.issuer}/oauth2/jwks`)), {
    issuer: workos.issuer,
    audience,
    algorithms: ['RS256'],
  });
  return payload;
}

describe("the official MCP client's flow", () => {
  test('ends with a token for the resource it asked for', async () => {
    const tokens = await new Client('ann@acme.example').authorize();
    const claims = await verify(tokens.access_token);
    expect(claims).toMatchObject({ sub: userId, org_id: organizationId, sid: expect.stringMatching(/^session_/) });
    const lifetime = (claims.exp ?? 0) - (claims.iat ?? 0);
    expect(lifetime).toBeGreaterThanOrEqual(300);
    expect(lifetime).toBeLessThanOrEqual(3600);
  });

  test('refreshes, and a refresh token used twice ends the session', async () => {
    const client = new Client('ann@acme.example');
    const first = await client.authorize();
    expect(await auth(client, { serverUrl: protectedServer.url })).toBe('AUTHORIZED');
    const second = client.saved ?? expect.unreachable('no tokens');
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect((await verify(second.access_token)).sid).toBe((await verify(first.access_token)).sid);
    const reuse = await refresh(client, first.refresh_token ?? '');
    expect(reuse).toEqual({ status: 400, error: 'invalid_grant' });
    expect(await refresh(client, second.refresh_token ?? '')).toEqual({ status: 400, error: 'invalid_grant' });
  });

  test('registers as a public client', async () => {
    const client = new Client('ann@acme.example');
    await client.authorize();
    expect(client.registered).toMatchObject({ client_name: 'Test client', token_endpoint_auth_method: 'none' });
    expect(client.registered).not.toHaveProperty('client_secret');
  });
});

describe('members', () => {
  test('a deactivated member neither signs in nor refreshes', async () => {
    const user = await workos.createUser({ email: 'gone@acme.example', password });
    const membership = workos.createMembership({ userId: user.id, organizationId });
    const client = new Client('gone@acme.example');
    const { refresh_token: token = '' } = await client.authorize();
    workos.deactivate(membership.id);
    expect(await refresh(client, token)).toEqual({ status: 400, error: 'invalid_grant' });
    await expect(new Client('gone@acme.example').authorize()).rejects.toThrow('Every membership of this user is deactivated');
  });

  test('a member of two organizations chooses one, for which every token of the grant is', async () => {
    const user = await workos.createUser({ email: 'two@acme.example', password });
    const second = workos.createOrganization({ name: 'Second' }).id;
    workos.createMembership({ userId: user.id, organizationId });
    const membership = workos.createMembership({ userId: user.id, organizationId: second });
    const client = new Client('two@acme.example', second);
    const { access_token: first } = await client.authorize();
    expect(await verify(first)).toMatchObject({ org_id: second });
    expect(await auth(client, { serverUrl: protectedServer.url })).toBe('AUTHORIZED');
    expect(await verify(client.saved?.access_token ?? '')).toMatchObject({ org_id: second });
    expect(await verify((await new Client('two@acme.example', organizationId).authorize()).access_token)).toMatchObject({
      org_id: organizationId,
    });
    const other = workos.createOrganization({ name: 'Not theirs' }).id;
    await expect(new Client('two@acme.example', other).authorize()).rejects.toThrow('You are not a member of that organization');
    workos.deleteMembership(membership.id);
    expect(await refresh(client, client.saved?.refresh_token ?? '')).toEqual({ status: 400, error: 'invalid_grant' });
  });

  test('a user without any membership signs in, without an organization', async () => {
    await workos.createUser({ email: 'free@example.com', password });
    const claims = await verify((await new Client('free@example.com').authorize()).access_token);
    expect(claims).not.toHaveProperty('org_id');
  });

  test('a wrong password is refused on the page', async () => {
    const { authorizeUrl } = await newClient();
    await expect(signInByScript(authorizeUrl(), { email: 'ann@acme.example', password: 'wrong' })).rejects.toThrow(
      'sign-in refused with 400: Invalid credentials.',
    );
  });
});

describe('what is refused', () => {
  test('a resource that is not registered', async () => {
    const { authorizeUrl } = await newClient();
    const url = authorizeUrl({ resource: 'http://localhost:1/mcp' });
    const answer = await fetch(url, { redirect: 'manual' });
    expect(new URL(answer.headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_target');
  });

  test('a resource that has been removed, at the next refresh', async () => {
    const id = await register('http://localhost:2/mcp');
    const { authorizeUrl, exchange, clientId } = await newClient();
    const answer = await signInByScript(authorizeUrl({ resource: 'http://localhost:2/mcp' }), { email: 'ann@acme.example', password });
    const tokens = await exchange(answer.searchParams.get('code') ?? '');
    await verify(tokens['access_token'] ?? '', 'http://localhost:2/mcp');
    const path = `${workos.apiUrl}/user_management/authkit_oauth_resources/${id}`;
    await fetch(path, { method: 'DELETE', headers: { authorization: `Bearer ${workos.apiKey}` } });
    const form = { grant_type: 'refresh_token', client_id: clientId, refresh_token: tokens['refresh_token'] ?? '' };
    const refused = await fetch(`${workos.issuer}/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) });
    expect(await refused.json()).toMatchObject({ error: 'invalid_target' });
  });

  test('a token for one resource exchanged for another', async () => {
    await register('http://localhost:3/mcp');
    const { authorizeUrl, exchange } = await newClient();
    const answer = await signInByScript(authorizeUrl(), { email: 'ann@acme.example', password });
    const tokens = await exchange(answer.searchParams.get('code') ?? '', { resource: 'http://localhost:3/mcp' });
    expect(tokens).toMatchObject({ error: 'invalid_target' });
  });

  test.each([
    ['no PKCE', { code_challenge: undefined, code_challenge_method: undefined }],
    ['PKCE with a plain challenge', { code_challenge_method: 'plain' }],
  ])('%s', async (_name, change) => {
    const { authorizeUrl } = await newClient();
    const answer = await fetch(authorizeUrl(change), { redirect: 'manual' });
    expect(new URL(answer.headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_request');
  });

  test('a code with the wrong verifier', async () => {
    const { authorizeUrl, exchange } = await newClient();
    const answer = await signInByScript(authorizeUrl(), { email: 'ann@acme.example', password });
    const tokens = await exchange(answer.searchParams.get('code') ?? '', { code_verifier: randomBytes(32).toString('base64url') });
    expect(tokens).toMatchObject({ error: 'invalid_grant' });
  });

  test('a redirect to another host, on a page and not by redirect', async () => {
    const { authorizeUrl } = await newClient();
    const answer = await fetch(authorizeUrl({ redirect_uri: 'https://evil.example/callback' }), { redirect: 'manual' });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('<h1>Sign-in failed</h1>');
  });

  test('a sign-in page without the cookie of the browser that began', async () => {
    const { authorizeUrl } = await newClient();
    const begun = await fetch(authorizeUrl(), { redirect: 'manual' });
    const answer = await fetch(new URL(begun.headers.get('location') ?? '', workos.issuer));
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('belongs to another browser');
  });
});

test('a loopback redirect may come back on any port', async () => {
  const { authorizeUrl } = await newClient();
  const url = authorizeUrl({ redirect_uri: 'http://127.0.0.1:50999/callback' });
  const answer = await signInByScript(url, { email: 'ann@acme.example', password });
  expect(answer.host).toBe('127.0.0.1:50999');
  expect(answer.searchParams.get('state')).toBe('a state');
});

test('the metadata names the issuer whatever host it was asked under', async () => {
  for (const document of ['oauth-authorization-server', 'openid-configuration']) {
    const response = await fetch(`http://127.0.0.1:${workos.port}/.well-known/${document}`);
    expect(await response.json()).toMatchObject({
      issuer: workos.issuer,
      authorization_endpoint: `${workos.issuer}/oauth2/authorize`,
      token_endpoint: `${workos.issuer}/oauth2/token`,
      registration_endpoint: `${workos.issuer}/oauth2/register`,
      jwks_uri: `${workos.issuer}/oauth2/jwks`,
      introspection_endpoint: `${workos.issuer}/oauth2/introspection`,
      code_challenge_methods_supported: ['S256'],
    });
  }
});

test('the sign-in page names client, resource and the local accounts, escaped', async () => {
  workos.showAccounts([{ email: 'demo@acme.example', password: 'demo & more', note: 'member of <Acme>' }]);
  const { authorizeUrl } = await newClient('A <b>bold</b> client');
  const begun = await fetch(authorizeUrl(), { redirect: 'manual' });
  const cookie = begun.headers.getSetCookie().map((one) => one.split(';')[0]);
  const page = await fetch(new URL(begun.headers.get('location') ?? '', workos.issuer), { headers: { cookie: cookie.join('; ') } });
  const html = await page.text();
  expect(html).toContain('A &lt;b&gt;bold&lt;/b&gt; client');
  expect(html).toContain(protectedServer.url);
  expect(html).toContain('demo &amp; more');
  expect(html).toContain('member of &lt;Acme&gt;');
  workos.showAccounts([]);
});

test('clients and grants survive a restart', async () => {
  const own = await mkdtemp(join(tmpdir(), 'workos-'));
  const first = await startWorkos({ port: 0, dir: own });
  await first.createUser({ email: 'ann@acme.example', password });
  const { authorizeUrl, exchange, clientId } = await newClient('Lasting', first.issuer);
  const answer = await signInByScript(authorizeUrl({ resource: undefined, scope: 'openid' }), { email: 'ann@acme.example', password });
  const { refresh_token: token = '', access_token: access = '' } = await exchange(answer.searchParams.get('code') ?? '', {
    resource: undefined,
  });
  // Without a resource a token is for the environment.
  expect(claimsOf(access)).toMatchObject({ aud: first.clientId, sid: expect.any(String) });
  await first.close();
  const second = await startWorkos({ port: first.port, dir: own });
  // Until fetch has noticed that the first server's connections are gone.
  await expect.poll(() => fetch(`${second.issuer}/oauth2/jwks`).then(({ status }) => status)).toBe(200);
  const form = { grant_type: 'refresh_token', client_id: clientId, refresh_token: token };
  const again = await fetch(`${second.issuer}/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) });
  expect(again.status, await again.text()).toBe(200);
  await second.close();
  await rm(own, { recursive: true });
});

async function refresh(client: Client, token: string) {
  const form = { grant_type: 'refresh_token', client_id: client.registered?.client_id ?? '', refresh_token: token };
  const response = await fetch(`${workos.issuer}/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) });
  return { status: response.status, error: ((await response.json()) as { error?: string }).error };
}

/** A client registered by hand, for requests the library would never send. */
async function newClient(name = 'By hand', issuer = workos.issuer) {
  const redirectUri = 'http://127.0.0.1:40000/callback';
  const registration = await fetch(`${issuer}/oauth2/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: name, redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
  });
  expect(registration.status).toBe(201);
  const { client_id: clientId } = (await registration.json()) as { client_id: string };
  const verifier = randomBytes(32).toString('base64url');
  const standard: Record<string, string | undefined> = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state: 'a state',
    resource: protectedServer.url,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  };
  return {
    clientId,
    authorizeUrl: (change: Record<string, string | undefined> = {}) =>
      new URL(`${issuer}/oauth2/authorize?${form({ ...standard, ...change })}`),
    exchange: async (code: string, change: Record<string, string | undefined> = {}) => {
      const body = {
        grant_type: 'authorization_code',
        client_id: clientId,
        redirect_uri: redirectUri,
        code,
        code_verifier: verifier,
        ...change,
      };
      const response = await fetch(`${issuer}/oauth2/token`, { method: 'POST', body: form(body) });
      return (await response.json()) as Record<string, string>;
    },
  };
}

function form(fields: Record<string, string | undefined>): URLSearchParams {
  return new URLSearchParams(Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined));
}
