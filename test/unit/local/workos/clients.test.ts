import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../../local/kubernetes/pki.ts';
import { signInByScript } from '../../../../local/workos/sign-in-by-script.ts';
import { claimsOf, startEnvironment, type TestEnvironment } from './environment.ts';

const redirectUri = 'http://127.0.0.1:40000/callback';
const resource = 'http://localhost:1/mcp';
const account = { email: 'ann@acme.example', password: 'correct horse battery' };
let environment: TestEnvironment;
let documents: { origin: string; close: () => void };
let pki: string;
let organizationId: string;

beforeAll(async () => {
  pki = await mkdtemp(join(tmpdir(), 'workos-pki-'));
  const authority = await Authority.open(pki, 'ca');
  documents = await serveDocuments(authority);
  environment = await startEnvironment({ metadataCa: authority.cert });
  const { workos, sdk } = environment;
  organizationId = workos.createOrganization({ name: 'Acme' }).id;
  const { id: userId } = await workos.createUser(account);
  workos.createMembership({ userId, organizationId });
  await sdk.post('/user_management/authkit_oauth_resources', { uri: resource });
});

afterAll(async () => {
  documents.close();
  await environment[Symbol.asyncDispose]();
  await rm(pki, { recursive: true });
});

/** Any path is the metadata document of the client with that URL. `/other` names another client. */
async function serveDocuments(authority: Authority) {
  const { cert, key } = await authority.issue({ commonName: 'localhost', usage: 'server', names: ['localhost'] });
  const server = createServer({ cert, key }, (request, response) => {
    const { port } = server.address() as AddressInfo;
    const url = `https://localhost:${port}${request.url === '/other' ? '/someone-else' : request.url}`;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ client_id: url, client_name: 'By document', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The code flow of a public client. Returns the answer to the code. */
async function authorize(clientId: string) {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state: 's',
    resource,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  const redirect = await signInByScript(`${environment.workos.issuer}/oauth2/authorize?${query}`, account);
  return token({
    grant_type: 'authorization_code',
    client_id: clientId,
    redirect_uri: redirectUri,
    code: redirect.searchParams.get('code') ?? '',
    code_verifier: verifier,
  });
}

async function token(fields: Record<string, string>) {
  const response = await fetch(`${environment.workos.issuer}/oauth2/token`, { method: 'POST', body: new URLSearchParams(fields) });
  return { status: response.status, body: (await response.json()) as { access_token?: string; error?: string } };
}

/** Sets the ways that are allowed for unregistered clients, like the switches of the dashboard. */
async function allow(switches: { cimd?: boolean; dcr?: boolean }): Promise<unknown> {
  const { apiUrl, apiKey } = environment.workos;
  const response = await fetch(`${apiUrl}/stand-in/registration`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(switches),
  });
  return response.json();
}

const metadata = async (): Promise<Record<string, unknown>> =>
  (await (await fetch(`${environment.workos.issuer}/.well-known/oauth-authorization-server`)).json()) as Record<string, unknown>;

describe('a client that names the document about itself', () => {
  test('signs its user in', async () => {
    expect(await metadata()).toMatchObject({ client_id_metadata_document_supported: true });
    const { status, body } = await authorize(`${documents.origin}/client`);
    expect(status, JSON.stringify(body)).toBe(200);
    expect(claimsOf(body.access_token ?? '')).toMatchObject({
      aud: resource,
      org_id: organizationId,
      client_id: `${documents.origin}/client`,
    });
  });

  test('is refused when the document is of another, and for a resource that is not registered', async () => {
    await expect(authorize(`${documents.origin}/other`)).rejects.toThrow('refused with 400');
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: `${documents.origin}/client`,
      redirect_uri: redirectUri,
      resource: 'http://localhost:2/mcp',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    });
    const answer = await fetch(`${environment.workos.issuer}/oauth2/authorize?${query}`, { redirect: 'manual' });
    expect(new URL(answer.headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_target');
  });

  test('is refused where the environment has switched documents off, known or not', async () => {
    await allow({ cimd: false });
    try {
      expect(await metadata()).not.toHaveProperty('client_id_metadata_document_supported');
      for (const path of ['/client', '/new']) {
        await expect(authorize(documents.origin + path)).rejects.toThrow('refused with 400');
      }
    } finally {
      await allow({ cimd: true });
    }
  });
});

test('no client registers itself where the environment has switched that off', async () => {
  const { workos } = environment;
  const register = () =>
    fetch(`${workos.issuer}/oauth2/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
    });
  expect((await register()).status).toBe(201);
  expect(await allow({ dcr: false })).toEqual({ cimd: true, dcr: false });
  expect((await register()).status).toBe(403);
  expect(await metadata()).not.toHaveProperty('registration_endpoint');
  await allow({ dcr: true });
});

test('a machine gets a token for the environment, of its organization, with any of its secrets', async () => {
  const { connect } = environment.sdk;
  const { id, clientId } = await connect.createM2MApplication('Machine', organizationId, undefined, ['mcp:read', 'api']);
  const [{ secret }, { secret: second }] = [
    await connect.createApplicationClientSecret({ id }),
    await connect.createApplicationClientSecret({ id }),
  ];
  const asked = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret, scope: 'mcp:read' };
  for (const choice of [{}, { resource }, { resource: 'http://localhost:2/mcp' }]) {
    const { status, body } = await token({ ...asked, ...choice });
    expect(status, JSON.stringify(body)).toBe(200);
    const claims = claimsOf(body.access_token ?? '');
    expect(claims).toMatchObject({
      iss: environment.workos.issuer,
      aud: environment.workos.clientId,
      sub: clientId,
      client_id: clientId,
      org_id: organizationId,
      scope: 'mcp:read',
    });
    expect(claims).not.toHaveProperty('sid');
  }
  expect(await token({ ...asked, client_secret: second })).toMatchObject({ status: 200 });
  expect(await token({ ...asked, client_secret: 'wrong' })).toMatchObject({ status: 401 });
  // A scope has to be asked for, and to be one of the application's.
  for (const scope of ['mcp', '']) {
    const { access_token: unscoped = '' } = (await token({ ...asked, scope })).body;
    expect(claimsOf(unscoped)).not.toHaveProperty('scope');
  }
});

test('a machine needs an organization that exists', async () => {
  await expect(environment.sdk.connect.createM2MApplication('Lost', 'org_01NONE')).rejects.toMatchObject({ status: 404 });
});
