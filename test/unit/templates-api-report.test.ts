import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { apiReport } from '../../crds/api-report.ts';
import { apiTools, UnusableDocument } from '../../templates/runtime/mcp/api-document.ts';
import { type ApiFault, documentFault, lasting } from '../../templates/runtime/mcp/api-fault.ts';
import { ApiReporter } from '../../templates/runtime/mcp/api-report.ts';
import { readToolSelection } from '../../templates/runtime/mcp/tool-selection.ts';
import type { LoadedTools } from '../../templates/runtime/mcp/tool-source.ts';
import { AnswerTooLarge, Upstream, UpstreamUnreachable } from '../../templates/runtime/mcp/upstream.ts';

const url = new URL('http://10.0.0.7:8081/openapi.json');

describe('the fault of a document', () => {
  it.each<[string, Error, ApiFault['reason'], string]>([
    [
      'a refused connection',
      new UpstreamUnreachable('ECONNREFUSED', undefined),
      'ApiNotListening',
      'The API does not listen on port 8081 of 10.0.0.7 (ECONNREFUSED).',
    ],
    [
      'a connection that is closed',
      new UpstreamUnreachable('UND_ERR_SOCKET', undefined),
      'ApiNotReady',
      'The API accepts connections but does not answer GET /openapi.json (UND_ERR_SOCKET).',
    ],
    ['no answer', new DOMException('', 'TimeoutError'), 'ApiNotReady', 'GET /openapi.json was not answered in time.'],
    [
      'Swagger 2.0',
      thrownFor({ swagger: '2.0' }),
      'DocumentUnusable',
      'The document at /openapi.json is Swagger 2.0, but OpenAPI 3.x is needed.',
    ],
    ['no paths', thrownFor({ openapi: '3.1.0' }), 'DocumentUnusable', 'The document at /openapi.json has no "paths".'],
    ['text', thrownFor('hello'), 'DocumentUnusable', expect.stringContaining('neither a JSON nor a YAML object') as unknown as string],
    ['megabytes', new AnswerTooLarge('more than 5 bytes'), 'DocumentUnusable', expect.stringContaining('too large') as unknown as string],
    ['an unknown error, without its words', new Error('secret'), 'DocumentUnusable', 'The document at /openapi.json cannot be read.'],
  ])('names %s', (_name, error, reason, detail) => {
    expect(documentFault(error, url)).toEqual({ reason, detail });
  });

  it('lasts as long as its reason stays the same', () => {
    const first = lasting({ reason: 'ApiNotListening', detail: 'a' }, undefined, 100);
    expect(lasting({ reason: 'ApiNotListening', detail: 'b' }, first, 200)).toEqual({ reason: 'ApiNotListening', detail: 'b', since: 100 });
    expect(lasting({ reason: 'ApiNotReady', detail: 'c' }, first, 200).since).toBe(200);
  });
});

function thrownFor(document: unknown): Error {
  try {
    apiTools(document, { url, reservedHeaders: [] });
  } catch (error) {
    if (error instanceof UnusableDocument) return error;
  }
  throw new Error('the document was taken');
}

it('counts a path that leads nowhere as left out, and an extension not', () => {
  const { skipped } = apiTools({ openapi: '3.1.0', paths: { '/a': { $ref: '#/gone' }, 'x-note': 'text' } }, { url, reservedHeaders: [] });
  expect(skipped.map(({ operation }) => operation)).toEqual(['/a']);
});

it('names the entries of spec.tools that match no tool', () => {
  const selection = readToolSelection({ TENANTRY_TOOLS: '{"allow":["find_*","fnid_one"],"deny":["*_all","find_one"]}' });
  expect(selection.unmatched(['find_one', 'find_two'])).toEqual(['allow: fnid_one', 'deny: *_all']);
  expect(readToolSelection({}).unmatched([])).toEqual([]);
});

describe('the report', () => {
  let server: Server | undefined;
  let upstream: Upstream | undefined;
  let time = 0;

  afterEach(async () => {
    await upstream?.close();
    server?.closeAllConnections();
    server?.close();
  });

  async function reporterFor(answer: RequestListener, source: { fault?: ApiFault; tools?: LoadedTools }) {
    server = createServer(answer);
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    upstream = new Upstream(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    const { fault, tools } = source;
    return new ApiReporter({ upstream, source: { fault, tools }, readyPath: '/readyz', now: () => time });
  }

  const summary = { operations: 3, leftOut: { count: 1, first: ['POST /a: reason'] }, unmatched: [] };
  const tools = { summary } as unknown as LoadedTools;
  const fault = (reason: ApiFault['reason'], detail: string): ApiFault => ({ reason, detail, since: 0 });

  it('has no fault while the API is ready and its document is loaded', async () => {
    const reporter = await reporterFor((_request, response) => response.end('ok'), { tools });
    expect(await reporter.report()).toEqual({ document: summary });
  });

  it('names the status of an API that is not ready, for how long, and asks at most once a second', async () => {
    let asked = 0;
    let status = 503;
    const reporter = await reporterFor((_request, response) => {
      asked++;
      response.writeHead(status).end('password=hunter2');
    }, {});
    const reports = await Promise.all([reporter.report(), reporter.report()]);
    expect(reports[0]).toEqual({ fault: { reason: 'ApiNotReady', detail: 'GET /readyz answered 503.', seconds: 0 } });
    expect(asked).toBe(1);
    time += 7000;
    expect((await reporter.report()).fault).toMatchObject({ reason: 'ApiNotReady', seconds: 7 });
    status = 204;
    time += 1000;
    expect(await reporter.report()).toEqual({});
    expect(asked).toBe(3);
  });

  it('says both where an API that is not ready has a wrong document', async () => {
    const reporter = await reporterFor((_request, response) => response.writeHead(404).end(), {
      fault: fault('DocumentUnusable', 'The document is wrong.'),
    });
    expect((await reporter.report()).fault).toMatchObject({
      reason: 'ApiNotReady',
      detail: 'GET /readyz answered 404. The document is wrong.',
    });
  });

  it('forgets that nobody listened as soon as the API says that it is ready', async () => {
    const reporter = await reporterFor((_request, response) => response.end(), { fault: fault('ApiNotListening', 'No.') });
    expect(await reporter.report()).toEqual({});
  });

  it('keeps the fault of the document of an API that is ready', async () => {
    const reporter = await reporterFor((_request, response) => response.end(), { fault: fault('DocumentUnusable', 'No.') });
    expect((await reporter.report()).fault?.reason).toBe('DocumentUnusable');
  });
});

describe('a report from a pod', () => {
  it('is taken as one line of bounded length, without control characters and marks that reorder text', () => {
    const detail = `a\u0000b\nc\u202Ed\u2028e${'x'.repeat(5000)}`;
    const { fault } = apiReport.parse({ fault: { reason: 'ApiNotReady', detail, seconds: 1 } });
    expect(fault?.detail).toMatch(/^a b c d ex+…$/);
    expect(fault?.detail).toHaveLength(300);
  });

  it('never ends in half a character', () => {
    const { fault } = apiReport.parse({ fault: { reason: 'ApiNotReady', detail: '😀'.repeat(400), seconds: 1 } });
    expect(fault?.detail.isWellFormed()).toBe(true);
  });

  it('keeps the first names of a list', () => {
    const first = Array.from({ length: 50 }, (_, index) => `GET /${index}`);
    const { document } = apiReport.parse({ document: { operations: 60, leftOut: { count: 50, first }, unmatched: [] } });
    expect(document?.leftOut).toEqual({ count: 50, first: first.slice(0, 10) });
  });

  it.each<[string, unknown]>([
    ['a reason of its own', { fault: { reason: 'Ready', detail: 'x', seconds: 1 } }],
    ['a negative time', { fault: { reason: 'ApiNotReady', detail: 'x', seconds: -1 } }],
    ['a text of megabytes', { fault: { reason: 'ApiNotReady', detail: 'x'.repeat(1e6), seconds: 1 } }],
    ['a count without end', { document: { operations: 1e300, leftOut: { count: 0, first: [] }, unmatched: [] } }],
    ['no object', 'ok'],
  ])('is refused with %s', (_name, report) => {
    expect(apiReport.safeParse(report).success).toBe(false);
  });
});
