import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Problem } from '../../../../../problems/problem.ts';
import { discardBody, readJson, sendRpcError } from '../../../../../templates/sidecar/http/http-body.ts';
import { sendMetadata, sendNothing, sendProblem } from '../../../../../templates/sidecar/http/responses.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serving(answer: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The result of reading a body of at most ten bytes. */
async function read(body: string | ReadableStream, type = 'application/json') {
  const url = await serving(async (request, response) => {
    const { value, fault } = await readJson(request, 10);
    discardBody(request, response);
    response.end(JSON.stringify(fault === undefined ? { value } : { code: fault.rpcCode, problem: fault.problem.code }));
  });
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body, ...{ duplex: 'half' } });
  return response.json();
}

/** A body of unknown length. */
const streamed = (...pieces: string[]): ReadableStream =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });

describe('a JSON body', () => {
  it.each(['application/json', 'Application/JSON; charset=utf-8', 'application/json ;a=b'])('of the type %s is read', async (type) => {
    expect(await read('{"a":1}', type)).toEqual({ value: { a: 1 } });
  });

  it.each(['text/plain', 'application/jsonp', 'text/application/json'])('of the type %s is refused', async (type) => {
    expect(await read('{}', type)).toEqual({ code: -32000, problem: 'unsupported-media-type' });
  });

  it.each<[string, string | ReadableStream, object]>([
    ['as large as the limit', '[12345678]', { value: [12345678] }],
    ['above the limit', '[123456789]', { code: -32000, problem: 'body-too-large' }],
    ['of pieces up to the limit', streamed('[1234', '5678]'), { value: [12345678] }],
    ['of pieces above the limit', streamed('[1234', '56789]'), { code: -32000, problem: 'body-too-large' }],
    ['that is no JSON', '{', { code: -32700, problem: 'malformed-request' }],
    ['that is null', 'null', { code: -32700, problem: 'malformed-request' }],
    ['that is a number', '7', { code: -32700, problem: 'malformed-request' }],
    ['that is empty', '', { code: -32700, problem: 'malformed-request' }],
  ])('%s is answered by %j', async (_name, body, answer) => {
    expect(await read(body)).toEqual(answer);
  });
});

describe('an answer', () => {
  it('to a faulty message is an error of JSON-RPC with the problem', async () => {
    const fault = { rpcCode: -32000, problem: new Problem('body-too-large', 'too large') };
    const response = await fetch(await serving((_request, answer) => sendRpcError(answer, fault, 'r1')));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({
      jsonrpc: '2.0',
      id: null,
      error: { code: -32000, message: 'too large', data: { code: 'body-too-large', requestId: 'r1' } },
    });
  });

  it('of a problem has its headers and type', async () => {
    const problem = new Problem('unauthenticated', 'ä', { headers: { 'www-authenticate': 'Bearer' } });
    const response = await fetch(await serving((_request, answer) => sendProblem(answer, problem, 'r1')));
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ detail: 'ä', requestId: 'r1' });
  });

  it('at an unknown path is 404', async () => {
    expect((await fetch(await serving((_request, answer) => sendNothing(answer, 'r1')))).status).toBe(404);
  });

  it.each([
    ['GET', 200, { 'cache-control': 'public, max-age=60' }, '{"a":1}'],
    ['HEAD', 200, { 'cache-control': 'public, max-age=60' }, ''],
    ['OPTIONS', 204, { 'access-control-allow-methods': 'GET, OPTIONS', 'access-control-allow-headers': '*' }, ''],
    ['POST', 405, { allow: 'GET, OPTIONS' }, ''],
  ])('with metadata to %s is %i, for pages of any origin', async (method, status, headers, text) => {
    const response = await fetch(await serving((request, answer) => sendMetadata(request, answer, { a: 1 })), { method });
    expect(response.status).toBe(status);
    expect(Object.fromEntries(response.headers)).toMatchObject({ ...headers, 'access-control-allow-origin': '*' });
    expect(await response.text()).toBe(text);
  });
});
