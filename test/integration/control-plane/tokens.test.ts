import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CryptoKey, exportSPKI, generateKeyPair, importJWK, type JWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namespaceOf } from '../../../crds/names.ts';
import type { Tenant } from '../../../crds/tenant.ts';
import { kinds } from '../../../kube/resources.ts';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { eventually } from '../../eventually.ts';
import { baseUrl, type Cluster, createNamespace, createTenant, openWorkos, podToken, startCluster, startPlane } from './cluster.ts';

/** Kinds of callers, as the OpenAPI document names them. */
type Scheme = 'session' | 'oauth' | 'pod' | 'operator';

interface Operation {
  readonly name: string;
  readonly schemes: readonly string[];
  readonly send: (authorization: string | undefined) => Promise<Response>;
}

let cluster: Cluster;
let workos: WorkosStandIn;
let plane: Awaited<ReturnType<typeof startPlane>>;
let userId: string;
let platform: string;
let sessionKey: JWK;
let oauthKey: JWK;
let operations: readonly Operation[];

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  platform = workos.createOrganization({ name: 'Platform' }).id;
  const acme = workos.createOrganization({ name: 'Acme' }).id;
  userId = (await workos.createUser({ email: 'everything@example.com' })).id;
  workos.createMembership({ userId, organizationId: platform, roleSlug: 'platform-admin' });
  workos.createMembership({ userId, organizationId: acme });
  plane = await startPlane(cluster, workos, { platformOrganizationId: platform });
  const { metadata } = await createTenant(cluster, 'acme', acme);
  await createNamespace(cluster, 'acme', metadata.uid ?? '');
  await cluster.client.create(kinds.Namespace, { metadata: { name: 'tenantry-system' } });
  for (const name of ['tenantry-operator', 'another'])
    await cluster.client.create(kinds.ServiceAccount, { metadata: { name, namespace: 'tenantry-system' } });
  await eventually('the tenant is registered', async () => {
    const tenant = await cluster.client.find<Tenant>(kinds.Tenant, 'acme');
    return tenant?.status?.authorization?.resources?.length === 1;
  });
  const kept = JSON.parse(await readFile(join(cluster.workosDir, 'environment.json'), 'utf8')) as Record<string, { jwk: JWK }>;
  sessionKey = kept['sessionKey']?.jwk ?? {};
  oauthKey = kept['oauthKey']?.jwk ?? {};
  operations = await readOperations();
});

afterAll(async () => {
  await plane.stop();
  await workos.close();
  await cluster.stop();
});

/** Every operation that wants a token, with a request that means something to it as far as its path goes. */
async function readOperations(): Promise<Operation[]> {
  const document = (await (await fetch(`${plane.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { security?: Record<string, string[]>[]; requestBody?: unknown }>>;
  };
  const values: Record<string, string> = { name: 'acme', userId };
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { security = [], requestBody }]) => {
      if (security.length === 0) return [];
      const url = plane.url + path.replace(/\{(\w+)\}/g, (_, parameter: string) => values[parameter] ?? 'nothing');
      const send = (authorization: string | undefined) =>
        fetch(url, {
          // Of all methods fetch leaves patch as it is written.
          method: method.toUpperCase(),
          headers: {
            ...(authorization === undefined ? {} : { authorization }),
            ...(requestBody === undefined ? {} : { 'content-type': 'application/json' }),
          },
          // Nothing that could change anything: what is refused must be refused for the token.
          ...(requestBody === undefined ? {} : { body: '[]' }),
        });
      return [{ name: `${method.toUpperCase()} ${path}`, schemes: security.flatMap((one) => Object.keys(one)), send }];
    }),
  );
}

const sessionClaims = () => ({ org_id: platform, role: 'platform-admin', roles: ['platform-admin'], permissions: ['tenants:read'] });
const oauthClaims = { aud: `${baseUrl}/t/acme/mcp` };
const inMinutes = () => Math.floor(Date.now() / 1000) + 300;

interface Forgery {
  readonly claims?: JWTPayload;
  readonly header?: { alg: string } & Record<string, unknown>;
  readonly key?: CryptoKey | KeyObject | Uint8Array;
  readonly expires?: number;
  readonly issuer?: string;
}

async function sessionToken({ claims = {}, header, key, expires = inMinutes(), issuer = workos.adminIssuer }: Forgery = {}) {
  const own = { alg: 'RS256', kid: sessionKey.kid ?? '' };
  return sign({ ...sessionClaims(), ...claims }, header ?? own, key ?? (await importJWK(sessionKey, 'RS256')), expires, issuer);
}

async function oauthToken({ claims = {}, header, key, expires = inMinutes(), issuer = workos.issuer }: Forgery = {}) {
  const own = { alg: 'RS256', kid: oauthKey.kid ?? '' };
  return sign({ ...oauthClaims, ...claims }, header ?? own, key ?? (await importJWK(oauthKey, 'RS256')), expires, issuer);
}

function sign(claims: JWTPayload, header: { alg: string }, key: CryptoKey | KeyObject | Uint8Array, expires: number, issuer: string) {
  const token = new SignJWT(claims).setProtectedHeader(header).setIssuer(issuer).setSubject(userId).setIssuedAt();
  return token.setExpirationTime(expires).sign(key);
}

const operatorToken = (account = 'tenantry-operator', audience?: string) => podToken(cluster, 'tenantry-system', account, audience);

const good: Record<Scheme, () => Promise<string>> = {
  session: () => sessionToken(),
  oauth: () => oauthToken(),
  pod: () => podToken(cluster, namespaceOf('acme')),
  operator: () => operatorToken(),
};

async function publicPem(jwk: JWK): Promise<Uint8Array> {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicPart } = jwk;
  const key = (await importJWK({ ...publicPart, key_ops: ['verify'] }, 'RS256', { extractable: true })) as CryptoKey;
  return new TextEncoder().encode(await exportSPKI(key));
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token whose header is `header`, whatever that is, with the signature of a good one. */
async function withHeader(header: unknown): Promise<string> {
  const [, payload, signature] = (await sessionToken()).split('.');
  return [part(header), payload, signature].join('.');
}

const apiServer = 'https://kubernetes.default.svc.cluster.local';
const aSecondAgo = () => Math.floor(Date.now() / 1000) - 1;

/** What nobody may come in with, whoever they want to be. */
const bad: readonly (readonly [string, () => Promise<string | undefined>])[] = [
  ['nothing', async () => undefined],
  ['an empty token', async () => 'Bearer '],
  ['another way of signing in', async () => `Basic ${Buffer.from('admin:admin').toString('base64')}`],
  ['an API key', async () => bearer('tnt_0123456789abcdefghijklmnopqrstuvwxyz')],
  ["WorkOS' own key", async () => bearer(workos.apiKey)],
  ['text that is not a token', async () => bearer('a.b.c')],
  ['two tokens', async () => `${bearer(await sessionToken())} ${await sessionToken()}`],
  ['a session that ended a second ago', async () => bearer(await sessionToken({ expires: aSecondAgo() }))],
  ['a session of another issuer', async () => bearer(await sessionToken({ issuer: 'https://api.workos.com' }))],
  ['a session signed by the OAuth key', async () => bearer(await sessionToken({ key: (await importJWK(oauthKey, 'RS256')) as CryptoKey }))],
  [
    'a session signed by the OAuth key with its key id',
    async () =>
      bearer(
        await sessionToken({ header: { alg: 'RS256', kid: oauthKey.kid ?? '' }, key: (await importJWK(oauthKey, 'RS256')) as CryptoKey }),
      ),
  ],
  ['a session signed by a foreign key', async () => bearer(await sessionToken({ key: (await generateKeyPair('RS256')).privateKey }))],
  [
    'a session that contains its key',
    async () => {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const header = { alg: 'RS256', jwk: publicKey.export({ format: 'jwk' }), jku: 'http://127.0.0.1:1/jwks', x5u: 'http://127.0.0.1:1/' };
      return bearer(await sessionToken({ header, key: privateKey }));
    },
  ],
  [
    'a session signed with the public key as a secret',
    async () => bearer(await sessionToken({ header: { alg: 'HS256', kid: sessionKey.kid }, key: await publicPem(sessionKey) })),
  ],
  [
    'a session by another algorithm of the same key',
    async () =>
      bearer(
        await sessionToken({
          header: { alg: 'PS256', kid: sessionKey.kid },
          key: (await importJWK({ ...sessionKey, alg: 'PS256' }, 'PS256')) as CryptoKey,
        }),
      ),
  ],
  ['a session without a signature', async () => bearer(unsigned(sessionClaims(), workos.adminIssuer))],
  ['a session of nobody', async () => bearer(await sessionToken({ claims: { sub: '' } }).then(nobodys))],
  ['a key whose name is not a string', async () => bearer(await withHeader({ alg: 'RS256', kid: 7 }))],
  ['a header that is a list', async () => bearer(await withHeader([]))],
  ['a header that is nothing', async () => bearer(await withHeader(null))],
  ['an algorithm that is a list', async () => bearer(await withHeader({ alg: ['RS256'], kid: sessionKey.kid }))],
  ['an extension nobody knows', async () => bearer(await withHeader({ alg: 'RS256', kid: sessionKey.kid, crit: ['b64'], b64: false }))],
  ['an OAuth token that ended a second ago', async () => bearer(await oauthToken({ expires: aSecondAgo() }))],
  ['an OAuth token of another audience', async () => bearer(await oauthToken({ claims: { aud: `${baseUrl}/t/other/mcp` } }))],
  ['an OAuth token of a longer audience', async () => bearer(await oauthToken({ claims: { aud: `${baseUrl}/t/acme/mcp/` } }))],
  ['an OAuth token of no audience', async () => bearer(await oauthToken({ claims: { aud: [] } }))],
  [
    'an OAuth token signed by the session key',
    async () => bearer(await oauthToken({ key: (await importJWK(sessionKey, 'RS256')) as CryptoKey })),
  ],
  [
    'an OAuth token signed with the public key as a secret',
    async () => bearer(await oauthToken({ header: { alg: 'HS256', kid: oauthKey.kid }, key: await publicPem(oauthKey) })),
  ],
  ['an OAuth token without a signature', async () => bearer(unsigned(oauthClaims, workos.issuer))],
  ["a pod's token for the API server", async () => bearer(await podToken(cluster, namespaceOf('acme'), 'tenant', apiServer))],
  ['a token of another account of the namespace', async () => bearer(await podToken(cluster, namespaceOf('acme'), 'other'))],
  ["the operator's token for the API server", async () => bearer(await operatorToken('tenantry-operator', apiServer))],
  ["a token of another account beside the operator's", async () => bearer(await operatorToken('another'))],
];

function bearer(token: string): string {
  return `Bearer ${token}`;
}

function unsigned(claims: JWTPayload, issuer: string): string {
  return new UnsecuredJWT(claims).setIssuer(issuer).setSubject(userId).setExpirationTime(inMinutes()).encode();
}

/** The same token without a subject, its signature left as it was. */
function nobodys(token: string): string {
  const [header, payload = '', signature] = token.split('.');
  const { sub: _sub, ...claims } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as JWTPayload;
  return [header, part(claims), signature].join('.');
}

/** What an operation answered that should have been 401 with a challenge, and was not. */
async function accepted(wrong: readonly Operation[], authorization: string | undefined): Promise<string[]> {
  const answers = await Promise.all(
    wrong.map(async ({ name, send }) => {
      const answer = await send(authorization);
      const body = (await answer.json()) as { type?: string };
      const refused =
        answer.status === 401 &&
        /^Bearer realm="/.test(answer.headers.get('www-authenticate') ?? '') &&
        body.type === 'https://tenantry.dev/problems/unauthenticated';
      return refused ? [] : [`${name}: ${answer.status} ${body.type ?? ''}`];
    }),
  );
  return answers.flat();
}

test('the document has operations of every security scheme', () => {
  expect(new Set(operations.flatMap(({ schemes }) => schemes))).toEqual(new Set(Object.keys(good)));
  expect(operations.length).toBeGreaterThan(30);
});

describe('every operation', () => {
  test.each(bad)('refuses %s', async (_name, mint) => {
    expect(await accepted(operations, await mint())).toEqual([]);
  });

  test.each(Object.keys(good) as Scheme[])('refuses a valid token of the kind %s unless it requires this kind', async (scheme) => {
    const authorization = bearer(await good[scheme]());
    const [right, wrong] = [true, false].map((is) => operations.filter(({ schemes }) => schemes.includes(scheme) === is));
    expect(await accepted(wrong ?? [], authorization)).toEqual([]);
    for (const { name, send } of right ?? []) expect([name, (await send(authorization)).status]).not.toEqual([name, 401]);
  });
});
