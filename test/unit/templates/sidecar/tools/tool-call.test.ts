import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { UpstreamCredentials } from '../../../../../templates/sidecar/auth/upstream-credentials.ts';
import { Upstream } from '../../../../../templates/sidecar/http/upstream.ts';
import { answerLimit, forbidden, ToolCaller, unrecorded } from '../../../../../templates/sidecar/tools/tool-call.ts';
import { jsonBody, toolOf } from './operations.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const reading = toolOf({ operationId: 'readThing' }, '/things', 'get');
const writing = toolOf({ operationId: 'writeThing', ...jsonBody({ type: 'object', properties: { size: { type: 'integer' } } }) });

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

/** The end of a call of `tool` at an API that answers with `answer`; undefined for an API that is gone. */
async function call(answer: Answer | undefined, { tool = reading, args = {}, signal = new AbortController().signal } = {}) {
  const requests: IncomingMessage[] = [];
  server = createServer((request, response) => {
    requests.push(request);
    answer?.(request, response);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  if (answer === undefined) await new Promise((resolve) => server?.close(resolve));
  let doubts = 0;
  const caller = new ToolCaller({
    upstream: new Upstream(url),
    credentials: { headersFor: async () => ({ authorization: 'Bearer assertion' }) } as unknown as UpstreamCredentials,
    logger: pino({ level: 'silent' }),
    onDoubt: () => doubts++,
  });
  const { outcome, result } = await caller.call({ tool, args, caller: { subject: 'user_1', scopes: [] }, requestId: 'r1', signal });
  return { outcome, result, text: result.content[0]?.text, doubts, requests };
}

const sends =
  (status: number, type: string | undefined, text: string): Answer =>
  (_request, response) =>
    response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end(text);

describe('an answer of the API', () => {
  it.each<[string | undefined, string, string, object?]>([
    ['application/json', '{"a":1}', '{"a":1}', { a: 1 }],
    ['application/problem+json; charset=utf-8', '{"a":1}', '{"a":1}', { a: 1 }],
    ['application/json', '[1]', '[1]'],
    ['application/json', '{', '{'],
    ['text/csv', 'a,b', 'a,b'],
    ['application/xml', '<a/>', '<a/>'],
    ['application/atom+xml', '<a/>', '<a/>'],
    [undefined, 'plain', 'plain'],
    ['image/png', 'PNG', 'The answer is of type image/png and cannot be shown as text.'],
    ['application/jsonp', 'a()', 'a()'],
    ['application/json', '', 'Done (200).'],
  ])('of the type %s with %j is given as %j', async (type, body, text, structured) => {
    const { outcome, result } = await call(sends(200, type, body));
    expect(outcome).toBe('ok');
    expect(result).toEqual({ content: [{ type: 'text', text }], ...(structured && { structuredContent: structured }) });
  });

  it('is asked for with the id of the request and the credentials of the caller', async () => {
    const { requests } = await call(sends(204, undefined, ''));
    expect(requests[0]?.headers).toMatchObject({ authorization: 'Bearer assertion', 'x-request-id': 'r1' });
  });

  it.each<[number, string, string, string]>([
    [400, 'application/problem+json', '{"title":"t","detail":"d","remedy":"Do this."}', '400: d\nDo this.'],
    [400, 'application/json', '{"message":"m"}', '400: m'],
    [400, 'application/json', '{"error":"e","error_description":"described"}', '400: described'],
    [400, 'application/json', '{"error":{"code":1},"title":"t"}', '400: t'],
    [399 + 1, 'text/plain', 'x'.repeat(3_000), `400: ${'x'.repeat(2_000)}`],
    [500, 'text/plain', '', '500: the API gave no reason'],
    [500, 'application/json', '[]', '500: []'],
    [
      422,
      'application/problem+json',
      '{"detail":"d","errors":[{"pointer":"/a","detail":"is wrong"},{"parameter":"b","message":"too"},{"field":"c"},"text",{"x":1}]}',
      '422: d\n- /a: is wrong\n- b: too\n- c: {"field":"c"}\n- text\n- {"x":1}',
    ],
  ])('%i of the type %s with %s is an error', async (status, type, body, text) => {
    const end = await call(sends(status, type, body));
    expect(end).toMatchObject({ outcome: 'api_error', text, result: { isError: true } });
    expect(end.doubts).toBe(0);
  });

  it('has twenty faults at most', async () => {
    const errors = Array.from({ length: 25 }, (_, index) => String(index));
    expect((await call(sends(400, 'application/json', JSON.stringify({ errors })))).text?.split('\n')).toHaveLength(21);
  });

  it.each([404, 405])('%i makes the tools doubtful', async (status) => {
    expect(await call(sends(status, undefined, ''))).toMatchObject({ outcome: 'api_error', doubts: 1 });
  });

  it('may be as large as the limit, and no larger', async () => {
    expect((await call(sends(200, 'text/plain', 'x'.repeat(answerLimit)))).outcome).toBe('ok');
    expect(await call(sends(200, 'text/plain', 'x'.repeat(answerLimit + 1)))).toMatchObject({
      outcome: 'too_large',
      text: expect.stringContaining('larger than 4 MiB'),
    });
  });
});

describe('a call', () => {
  const unknown = 'It is not known whether the change was made';

  it('of wrong arguments is not made', async () => {
    const { outcome, text, requests } = await call(sends(200, undefined, ''), { tool: writing, args: { size: 'x' } });
    expect(outcome).toBe('invalid_arguments');
    expect(text).toContain(`Arguments of ${writing.name} are not valid; nothing was done:\n- size must be integer`);
    expect(requests).toHaveLength(0);
  });

  it('of an API that is gone can be tried again', async () => {
    for (const tool of [reading, writing]) {
      const { outcome, text, doubts } = await call(undefined, { tool });
      expect([outcome, doubts]).toEqual(['unreachable', 1]);
      expect(text).toBe('The API cannot be reached at the moment. Try again in a few seconds.');
    }
  });

  it('that is cut off may have made a change', async () => {
    const cut: Answer = (request) => request.socket.destroy();
    expect((await call(cut, { tool: writing })).text).toContain(unknown);
    expect((await call(cut)).text).not.toContain(unknown);
  });

  it('that the caller gives up is cancelled', async () => {
    const stop = new AbortController();
    const silent: Answer = () => stop.abort();
    expect(await call(silent, { tool: writing, signal: stop.signal })).toMatchObject({
      outcome: 'cancelled',
      doubts: 0,
      text: expect.stringContaining(unknown),
    });
    expect((await call(silent, { signal: AbortSignal.abort() })).text).toBe('The call was cancelled.');
  });

  it('that may not be made or recorded says so', () => {
    expect(forbidden(writing, 'Your role may only read.')).toMatchObject({
      outcome: 'forbidden',
      result: { isError: true, content: [{ text: `Your role may only read. ${writing.name} makes changes, so it was not called.` }] },
    });
    expect(unrecorded(writing, false).content[0]?.text).toContain('was not called');
    expect(unrecorded(writing, true).content[0]?.text).toContain('its answer is withheld. It is made all the same');
    expect(unrecorded(reading, true).content[0]?.text).toMatch(/its answer is withheld\.$/);
  });
});
