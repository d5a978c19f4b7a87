import { describe, expect, test } from 'vitest';
import { ProviderUnavailable } from '../../../../control-plane/identity/provider.ts';
import { SessionTokens } from '../../../../control-plane/identity/session-tokens.ts';
import { keys, sign } from './tokens.ts';

const issuer = 'https://api.workos.com';
const keysUrl = new URL('http://localhost:1/');
const tokens = new SessionTokens({ keysUrl, issuer, keys });
const complete = { sub: 'user_1', org_id: 'org_1', role: 'viewer', permissions: ['tenants:read'] };

describe('a session token', () => {
  test.each([
    [{ role: 'viewer', roles: ['viewer', 'auditor'] }, ['viewer', 'auditor']],
    [{ role: 'viewer', roles: ['auditor'] }, ['viewer', 'auditor']],
    [{ role: undefined, roles: ['auditor'] }, ['auditor']],
    [{ role: 'viewer' }, ['viewer']],
    [{ role: undefined }, []],
  ])('with %j has the roles %j', async (claims, roles) => {
    expect(await tokens.verify(await sign(issuer, { ...complete, ...claims }))).toMatchObject({ roles });
  });

  test('without permissions has none', async () => {
    const claims = await tokens.verify(await sign(issuer, { ...complete, permissions: undefined }));
    expect(claims).toEqual({
      userId: 'user_1',
      organizationId: 'org_1',
      roles: ['viewer'],
      permissions: new Set(),
      impersonator: undefined,
    });
  });

  test('names its user with or without an organization', async () => {
    expect(await tokens.subject(await sign(issuer, { sub: 'user_1', org_id: 'org_1' }))).toEqual({
      userId: 'user_1',
      organizationId: 'org_1',
    });
    expect(await tokens.subject(await sign(issuer, { sub: 'user_1' }))).toEqual({ userId: 'user_1', organizationId: undefined });
  });

  test.each([
    [{ org_id: undefined }, 'the token has no organization'],
    [{ org_id: '' }, 'the token has no organization'],
    [{ org_id: undefined, permissions: 'all' }, 'this is not a valid token'],
    [{ sub: '' }, 'this is not a valid token'],
    [{ act: { sub: '' } }, 'this is not a valid token'],
  ])('with %j is refused: %s', async (claims, reason) => {
    const token = await sign(issuer, { ...complete, ...claims });
    await expect(tokens.verify(token)).rejects.toMatchObject({
      status: 401,
      message: expect.stringContaining(reason),
      headers: { 'www-authenticate': `Bearer realm="tenantry-admin", error="invalid_token", error_description="${reason}"` },
    });
  });

  test('with an empty subject or organization names no user', async () => {
    for (const claims of [{ sub: '' }, { sub: 'user_1', org_id: '' }])
      await expect(tokens.subject(await sign(issuer, claims))).rejects.toMatchObject({ status: 401, message: /not a valid token/ });
  });

  test('cannot be judged while the keys cannot be read', async () => {
    const unreadable = new SessionTokens({ keysUrl, issuer });
    await expect(unreadable.verify(await sign(issuer, complete))).rejects.toBeInstanceOf(ProviderUnavailable);
    await expect(unreadable.verify('abc.def.ghi')).rejects.toMatchObject({ status: 401 });
  });
});
