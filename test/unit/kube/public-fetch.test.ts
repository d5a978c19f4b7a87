import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publicFetch } from '../../../kube/public-fetch.ts';
import { Authority } from '../../../local/kubernetes/pki.ts';

const dir = mkdtempSync(join(tmpdir(), 'tenantry-fetch-'));
let server: Server;
let caFile: string;
let port: number;

beforeAll(async () => {
  const authority = await Authority.open(dir, 'gateway');
  ({ certFile: caFile } = authority);
  const certificate = await authority.issue({ commonName: 'gateway', usage: 'server', names: ['acme.example.test', 'localhost'] });
  // Tells what it was asked for: the name in the TLS handshake and the Host header.
  server = createServer(certificate, (request, response) => {
    const { servername } = request.socket as unknown as { servername: string };
    response.end(JSON.stringify([servername, request.headers.host]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});

afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

test('dials the configured address with the name of the URL in the handshake and in the request', async () => {
  const call = publicFetch({ address: { host: '127.0.0.1', port }, caFile }, 5_000);
  const response = await call('https://acme.example.test/mcp');
  expect(await response.json()).toEqual(['acme.example.test', 'acme.example.test']);
});

test('dials what the URL says where no address is configured', async () => {
  const response = await publicFetch({ address: undefined, caFile }, 5_000)(`https://localhost:${port}/`);
  expect(await response.json()).toEqual(['localhost', `localhost:${port}`]);
  // Without a port in the URL it is that of the scheme.
  const refused = publicFetch({ address: undefined, caFile }, 5_000)('https://localhost/');
  await expect(refused).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED', port: 443 } });
});

test('trusts no certificate that is for another name or by another authority', async () => {
  const address = { host: '127.0.0.1', port };
  await expect(publicFetch({ address, caFile }, 5_000)('https://globex.example.test/')).rejects.toMatchObject({
    cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
  });
  await expect(publicFetch({ address, caFile: undefined }, 5_000)('https://acme.example.test/')).rejects.toMatchObject({
    cause: { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
  });
});
