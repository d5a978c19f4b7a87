import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { UpstreamCredentials } from '../../../../templates/sidecar/auth/upstream-credentials.ts';
import { Upstream } from '../../../../templates/sidecar/http/upstream.ts';
import { BodyTooLarge, PublicApi, publicBodyLimit } from '../../../../templates/sidecar/public-api.ts';

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(handle: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<number> {
  const server = createServer((request, response) => void handle(request, response));
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** The request as the API gets it, and the answer as the client gets it. */
async function through(
  method: string,
  headers: Record<string, string>,
  body: string | undefined,
  answerHeaders: Record<string, string> = {},
) {
  const got: { request?: IncomingMessage; body?: string; error?: unknown } = {};
  const api = await listen(async (request, response) => {
    got.request = request;
    got.body = '';
    for await (const chunk of request) got.body += String(chunk);
    response.writeHead(201, answerHeaders).end('made');
  });
  const published = new PublicApi({
    upstream: new Upstream(new URL(`http://127.0.0.1:${api}`)),
    credentials: {
      headersFor: async () => ({ authorization: 'Bearer assertion' }),
      reserved: ['x-static'],
    } as unknown as UpstreamCredentials,
  });
  const front = await listen(async (request, response) => {
    await published.serve(request, response, '/v1/things?a=b', { subject: 'user_1', scopes: [] }, 'r1').catch((error: unknown) => {
      got.error = error;
      response.writeHead(500).end();
    });
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    send({ port: front, method, headers }, resolve).on('error', reject).end(body);
  });
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { got, response, text };
}

describe('a request to the public API', () => {
  it("reaches the API with the sidecar's credentials in place of the client's", async () => {
    const { got, response, text } = await through(
      'POST',
      {
        authorization: 'Bearer client',
        'x-api-key': 'tnt_key',
        cookie: 'a=b',
        'x-static': 'forged',
        'x-request-id': 'forged',
        'x-forwarded-for': '1.2.3.4',
        'x-http-method-override': 'DELETE',
        connection: 'x-hop',
        'x-hop': 'dropped',
        'x-kept': 'kept',
      },
      'sent',
    );
    expect([got.request?.method, got.request?.url, got.body]).toEqual(['POST', '/v1/things?a=b', 'sent']);
    expect(got.request?.headers).toMatchObject({ authorization: 'Bearer assertion', 'x-request-id': 'r1', 'x-kept': 'kept' });
    for (const name of ['x-api-key', 'cookie', 'x-static', 'x-forwarded-for', 'x-http-method-override', 'x-hop'])
      expect(got.request?.headers).not.toHaveProperty(name);
    expect([response.statusCode, text]).toEqual([201, 'made']);
  });

  it('has no body where the client sends none', async () => {
    const { got } = await through('GET', {}, undefined);
    expect(got.request?.headers).not.toHaveProperty('content-length');
    expect(got.request?.headers).not.toHaveProperty('transfer-encoding');
  });

  it('with a body above the limit is refused before the API is asked', async () => {
    const { got } = await through('POST', { 'content-length': String(publicBodyLimit + 1) }, undefined).catch(() => ({ got: {} as never }));
    expect(got).toEqual({ error: expect.any(BodyTooLarge) });
  });
});

it('an answer of the API sets no cookies and is no page', async () => {
  const { response } = await through('GET', {}, undefined, { 'set-cookie': 'a=b', 'x-request-id': 'other', 'x-kept': 'kept' });
  expect(response.headers).toMatchObject({
    'x-kept': 'kept',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
  });
  expect(response.headers).not.toHaveProperty('set-cookie');
  expect(response.headers).not.toHaveProperty('x-request-id');
});
