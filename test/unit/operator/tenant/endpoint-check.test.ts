import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { checkEndpoint } from '../../../../operator/tenant/endpoint-check.ts';

/** The operator's handshake with a tenant whose server is hostile. */
let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A tenant's server that does everything right but for the answer to `method`, of which it sends `piece` again and again. */
async function hostile(method: string, piece: string): Promise<{ endpoints: { mcp: string; metadata: string }; sent: () => number }> {
  let sent = 0;
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const forever = (): void => {
      const write = (): void => {
        while (!response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) return void response.once('drain', write);
        }
      };
      response.writeHead(200, { 'content-type': 'application/json' });
      write();
    };
    if (request.url === '/metadata') {
      if (method === 'metadata') return forever();
      return response.end(JSON.stringify({ resource: endpoints.mcp, authorization_servers: ['https://issuer.example'] }));
    }
    if (request.headers.authorization === undefined) {
      return response.writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${endpoints.metadata}"` }).end();
    }
    if (request.method === 'GET') return response.writeHead(405).end();
    const { id, method: asked } = JSON.parse(text) as { id?: number; method: string };
    if (asked === method) return forever();
    if (id === undefined) return response.writeHead(202).end();
    if (asked !== 'initialize') {
      return response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } }));
    }
    const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'hostile', version: '1' } };
    return response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  });
  await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endpoints = { mcp: `${base}/mcp`, metadata: `${base}/metadata` };
  return { endpoints, sent: () => sent };
}

test.each([['tools/list'], ['initialize'], ['metadata']])(
  'gives up on an endless answer to %s after a bounded number of bytes',
  async (method) => {
    const { endpoints, sent } = await hostile(method, ' '.repeat(64 * 1024));
    const result = await checkEndpoint({
      endpoints,
      oauthIssuer: 'https://issuer.example',
      probeKey: 'key',
      signal: new AbortController().signal,
      fetch: globalThis.fetch,
    });
    expect(result).toMatchObject({ state: 'failed', message: expect.stringContaining('more than 8 MiB') });
    expect(sent()).toBeLessThan(32 * 1024 * 1024);
  },
);
