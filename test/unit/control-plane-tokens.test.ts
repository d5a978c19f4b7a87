import { type CryptoKey, createLocalJWKSet, exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { Problem } from '../../control-plane/http/problem.ts';
import { AdminTokens, requirePermission } from '../../control-plane/identity/admin-tokens.ts';

const issuer = 'https://api.workos.com';
const { publicKey, privateKey } = await generateKeyPair('RS256');
const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] });
const tokens = new AdminTokens({ keysUrl: new URL('http://localhost:1/'), issuer, keys });

function sign(claims: JWTPayload = {}, options: { key?: CryptoKey; expires?: string | number; iss?: string } = {}) {
  return new SignJWT({ org_id: 'org_1', permissions: ['tenants:read'], ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
    .setIssuer(options.iss ?? issuer)
    .setSubject('user_1')
    .setIssuedAt()
    .setExpirationTime(options.expires ?? '5m')
    .sign(options.key ?? privateKey);
}

async function refusal(token: string | undefined): Promise<Problem> {
  const error = await tokens.verify(token).then(
    () => expect.unreachable('the token was accepted'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Problem);
  return error as Problem;
}

test('a good token says who and what', async () => {
  const admin = await tokens.verify(await sign());
  expect(admin).toEqual({ userId: 'user_1', organizationId: 'org_1', permissions: new Set(['tenants:read']) });
});

describe('refused with 401 and a challenge', () => {
  test('no token', async () => {
    const problem = await refusal(undefined);
    expect(problem).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer realm="tenantry-admin"' } });
  });

  test.each([
    ['expired', async () => sign({}, { expires: Math.floor(Date.now() / 1000) - 60 }), 'expired'],
    ['forged', async () => sign({}, { key: (await generateKeyPair('RS256')).privateKey }), 'signature'],
    ['of another issuer', async () => sign({}, { iss: 'https://evil.example' }), 'claim'],
    [
      'without signature',
      async () => new UnsecuredJWT({}).setIssuer(issuer).setSubject('user_1').setExpirationTime('5m').encode(),
      'algorithm',
    ],
    ['signed with the public key as a secret', hmacWithPublicKey, 'algorithm'],
    ['that is no token', async () => 'abc.def.ghi', 'not a valid token'],
  ])('a token %s', async (_name, mint, reason) => {
    const problem = await refusal(await mint());
    expect(problem.status).toBe(401);
    expect(problem.headers['www-authenticate']).toMatch(/^Bearer realm="tenantry-admin", error="invalid_token"/);
    expect(problem.message).toContain(reason);
  });

  async function hmacWithPublicKey() {
    const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(publicKey)));
    return new SignJWT({})
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .setIssuer(issuer)
      .setSubject('user_1')
      .setExpirationTime('5m')
      .sign(secret);
  }
});

test('a missing permission is 403 and named', async () => {
  const admin = await tokens.verify(await sign());
  expect(() => requirePermission(admin, 'tenants:read')).not.toThrow();
  expect(() => requirePermission(admin, 'tenants:delete')).toThrow(/tenants:delete/);
});
