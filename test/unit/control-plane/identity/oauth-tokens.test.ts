import { expect, test } from 'vitest';
import { OAuthTokens } from '../../../../control-plane/identity/oauth-tokens.ts';
import { ProviderUnavailable } from '../../../../control-plane/identity/provider.ts';
import { keys, sign } from './tokens.ts';

const issuer = 'http://localhost:1';
const tokens = new OAuthTokens({ issuer, keys });
const complete = { sub: 'user_1', aud: 'https://mcp.example.com/t/acme/mcp', org_id: 'org_1' };

test.each([
  ['https://a.example/mcp', ['https://a.example/mcp']],
  [
    ['https://a.example/mcp', 'client_1'],
    ['https://a.example/mcp', 'client_1'],
  ],
])('a token for %j has those audiences', async (aud, audiences) => {
  expect(await tokens.verify(await sign(issuer, { ...complete, aud }))).toEqual({
    userId: 'user_1',
    organizationId: 'org_1',
    audiences,
  });
});

test('a token without an organization is valid', async () => {
  expect(await tokens.verify(await sign(issuer, { ...complete, org_id: undefined }))).toMatchObject({ organizationId: undefined });
});

test.each([
  ['of another issuer', 'https://evil.example', {}],
  ['without a subject', issuer, { sub: undefined }],
  ['with an empty subject', issuer, { sub: '' }],
  ['without an audience', issuer, { aud: undefined }],
])('a token %s is refused', async (_name, from, claims) => {
  await expect(tokens.verify(await sign(from, { ...complete, ...claims }))).rejects.toMatchObject({ status: 401 });
});

test('a token cannot be judged while the keys cannot be read', async () => {
  const token = await sign(issuer, complete);
  await expect(new OAuthTokens({ issuer }).verify(token)).rejects.toBeInstanceOf(ProviderUnavailable);
});
