/** The sidecar in front of an API that was brought with a mistake: its report names the mistake within seconds. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { type ApiReport, apiReport } from '../../../../crds/api-report.ts';
import { eventually } from '../../../eventually.ts';
import { ControlPlanePeer, Stack } from '../stack.ts';

let controlPlane: ControlPlanePeer | undefined;
let stack: Stack | undefined;
let server: Server | undefined;

afterEach(async () => {
  await stack?.stop();
  await controlPlane?.close();
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

async function startSidecar(environment: Record<string, string> = {}): Promise<Stack> {
  controlPlane = await ControlPlanePeer.start();
  stack = await Stack.prepare({ databaseUrl: '', controlPlane, organization: false, mcp: { TENANTRY_UPSTREAM_AUTH: 'none' } });
  stack.startMcp({ TENANTRY_READY_PATH: '/readyz', ...environment });
  return stack;
}

async function listen(address: string, answer: RequestListener): Promise<void> {
  server = createServer(answer);
  server.listen(8081, address);
  await once(server, 'listening');
}

async function reportOf({ sidecarOrigin }: Stack): Promise<ApiReport> {
  return apiReport.parse(await (await fetch(`${sidecarOrigin}/report`)).json());
}

/** An API that is ready and shows `body` as its document. */
function showing(status: number, body: string, type = 'application/json'): RequestListener {
  return ({ url }, response) => {
    if (url === '/readyz') response.end('ok');
    else response.writeHead(status, { 'content-type': type }).end(body);
  };
}

const openapi = (paths: object): string => JSON.stringify({ openapi: '3.1.0', info: { title: 'Shop', version: '1' }, paths });

it.each<[string, RequestListener, RegExp]>([
  ['404', showing(404, '{}'), /GET \/openapi\.json answered 404/],
  ['a redirect to a login page', showing(302, ''), /answered 302/],
  ['an HTML page', showing(200, '<!doctype html><title>Shop</title>', 'text/html'), /is an HTML page/],
  ['HTML called JSON', showing(200, '\n<html></html>'), /is an HTML page/],
  ['Swagger 2.0', showing(200, JSON.stringify({ swagger: '2.0', paths: {} })), /Swagger 2\.0, but OpenAPI 3\.x is needed/],
  ['text that is not JSON', showing(200, 'hello'), /neither a JSON nor a YAML object/],
  ['broken JSON', showing(200, '{"openapi": "3.1.0",,}'), /neither JSON nor YAML/],
])('reports the document as unusable when it is %s', async (_name, answer, detail) => {
  const { address } = await startSidecar();
  await listen(address, answer);
  const sidecar = stack as Stack;
  const fault = await eventually('fault', async () => {
    const { fault } = await reportOf(sidecar);
    return fault?.reason === 'DocumentUnusable' && fault;
  });
  expect(fault.detail).toMatch(detail);
  const ready = await fetch(`${sidecar.sidecarOrigin}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toEqual({ status: fault.detail });
});

it('reports that nobody listens, then that the API is not ready, then no fault', async () => {
  const sidecar = await startSidecar();
  const silent = await eventually('a fault', async () => (await reportOf(sidecar)).fault);
  expect(silent).toMatchObject({ reason: 'ApiNotListening', detail: expect.stringContaining(`port 8081 of ${sidecar.address}`) });
  let status = 503;
  await listen(sidecar.address, ({ url }, response) => {
    if (url === '/readyz') response.writeHead(status).end();
    else response.end(openapi({ '/a': { get: {} } }));
  });
  const waiting = await eventually('another fault', async () => {
    const { fault } = await reportOf(sidecar);
    return fault?.reason === 'ApiNotReady' && fault;
  });
  expect(waiting.detail).toContain('GET /readyz answered 503');
  status = 200;
  const report = await eventually('no fault', async () => {
    const report = await reportOf(sidecar);
    return report.fault === undefined && report.document !== undefined && report;
  });
  expect(report.document).toEqual({ operations: 1, leftOut: { count: 0, first: [] }, unmatched: [] });
});

it('reports operations that became no tool and entries of spec.tools that match none', async () => {
  const sidecar = await startSidecar({ TENANTRY_TOOLS: '{"deny":["drop_*"]}' });
  const upload = { requestBody: { required: true, content: { 'image/png': {} } } };
  await listen(sidecar.address, showing(200, openapi({ '/a': { get: {} }, '/photo': { post: upload } })));
  const document = await eventually('the document', async () => (await reportOf(sidecar)).document);
  expect(document).toEqual({
    operations: 2,
    leftOut: { count: 1, first: [expect.stringMatching(/^POST \/photo: /)] },
    unmatched: ['deny: drop_*'],
  });
});

it('reports an API without any operation', async () => {
  const sidecar = await startSidecar();
  await listen(sidecar.address, showing(200, openapi({})));
  expect((await eventually('the document', async () => (await reportOf(sidecar)).document)).operations).toBe(0);
});
