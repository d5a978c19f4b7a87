import { describe, expect, test } from 'vitest';
import { checkEndpoint } from '../../../../operator/tenant/endpoint-check.ts';
import { endpoint, endpoints, issuer, json } from './endpoint.ts';

const run = (answers: Parameters<typeof endpoint>[0] = {}, signal = new AbortController().signal) =>
  checkEndpoint({ endpoints, oauthIssuer: issuer, probeKey: 'tnt_key', signal, fetch: endpoint(answers) });

const challenge =
  (status: number, header = `Bearer resource_metadata="${endpoints.metadata}"`) =>
  () =>
    new Response(null, { status, headers: { 'www-authenticate': header } });

const throwing = (error: unknown) => () => Promise.reject(error);

describe('the verification of an endpoint', () => {
  test('succeeds with name, version, protocol and number of tools', async () => {
    expect(await run()).toEqual({
      state: 'succeeded',
      server: { name: 'acme', version: '7', protocolVersions: ['2025-11-25'], tools: 1 },
    });
  });

  test('accepts an issuer with and without a slash at its end', async () => {
    const metadata = () => json({ resource: endpoints.mcp, authorization_servers: ['https://other.example', `${issuer}/`] });
    expect(await run({ metadata })).toMatchObject({ state: 'succeeded' });
  });

  test.each<[string, Parameters<typeof endpoint>[0], string, RegExp]>([
    ['metadata answers 404', { metadata: () => json({}, 404) }, 'Unreachable', /answered 404: the route does not lead/],
    ['metadata answers 500', { metadata: () => json({}, 500) }, 'Unreachable', /answered 500/],
    ['metadata answers 501', { metadata: () => json({}, 501) }, 'Unreachable', /answered 501/],
    ['metadata is missing', { metadata: () => json({}, 499) }, 'MetadataInvalid', /does not name/],
    ['metadata is no JSON', { metadata: () => new Response('<html>') }, 'MetadataInvalid', /does not name/],
    [
      'metadata is of another resource',
      { metadata: () => json({ resource: 'https://x', authorization_servers: [issuer] }) },
      'MetadataInvalid',
      /does not name/,
    ],
    [
      'metadata names another issuer',
      { metadata: () => json({ resource: endpoints.mcp, authorization_servers: ['https://x'] }) },
      'MetadataInvalid',
      /does not name/,
    ],
    [
      'metadata names no list of issuers',
      { metadata: () => json({ resource: endpoints.mcp, authorization_servers: issuer }) },
      'MetadataInvalid',
      /does not name/,
    ],
    ['the challenge is an answer', { challenge: challenge(200) }, 'ChallengeMissing', /answered 200 without a token/],
    ['the challenge names other metadata', { challenge: challenge(401, 'Bearer') }, 'ChallengeMissing', /answered 401/],
    ['the challenge is a failure', { challenge: challenge(500) }, 'Unreachable', /answered 500\.$/],
    ['the challenge is another failure', { challenge: challenge(503) }, 'Unreachable', /answered 503\.$/],
    ['the challenge is a refusal', { challenge: challenge(499) }, 'ChallengeMissing', /answered 499/],
    ['the handshake is refused', { initialize: () => json({}, 403) }, 'HandshakeFailed', /The MCP handshake at .* failed/],
    ['tools cannot be listed', { 'tools/list': () => json({}, 500) }, 'HandshakeFailed', /failed/],
    [
      'the host refuses connections',
      { metadata: throwing(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })) },
      'Unreachable',
      /did not answer: ECONNREFUSED\.$/,
    ],
    [
      'the host is silent',
      { metadata: throwing(new DOMException('secret', 'TimeoutError')) },
      'Unreachable',
      /did not answer: no answer in time\.$/,
    ],
    ['the request was cut off', { metadata: throwing(new DOMException('secret', 'AbortError')) }, 'Unreachable', /no answer in time\.$/],
    ['the failure has lines', { metadata: throwing(new Error('first\nsecond')) }, 'Unreachable', /did not answer: first\.$/],
    ['the failure is a text', { metadata: throwing('text') }, 'Unreachable', /did not answer: text\.$/],
  ])('fails when %s', async (_name, answers, reason, message) => {
    expect(await run(answers)).toEqual({ state: 'failed', reason, message: expect.stringMatching(message) });
  });

  test('rejects when the operator ends', async () => {
    await expect(run({}, AbortSignal.abort(new Error('the operator ends')))).rejects.toThrow('the operator ends');
  });
});
