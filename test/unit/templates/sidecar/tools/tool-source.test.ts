import { Readable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { UpstreamCredentials } from '../../../../../templates/sidecar/auth/upstream-credentials.ts';
import { type Upstream, type UpstreamRequest, UpstreamUnreachable } from '../../../../../templates/sidecar/http/upstream.ts';
import { readToolSelection } from '../../../../../templates/sidecar/settings/tool-selection.ts';
import { ToolSource } from '../../../../../templates/sidecar/tools/tool-source.ts';

interface Answer {
  readonly status?: number;
  readonly text?: string;
  readonly headers?: Record<string, string>;
}

const operation = (operationId: string, more: object = {}) => ({ operationId, ...more });
const document = (paths: object, more: object = {}): string =>
  JSON.stringify({ openapi: '3.1.0', info: { title: 't', version: '7', description: 'Does things.' }, paths, ...more });
const things = document({
  '/things': { get: operation('listThings', { summary: 'List', tags: ['Things'] }), post: operation('createThing') },
  '/files': { post: operation('upload', { requestBody: { required: true, content: { 'image/png': {} } } }) },
});

/** A source that reads the given answers, one for each look. An error is thrown. */
async function source(answers: readonly (Answer | Error)[], environment: Record<string, string> = {}) {
  const requests: UpstreamRequest[] = [];
  const seen: { fault: string | undefined; tools: string[] | undefined }[] = [];
  const stop = new AbortController();
  const left = [...answers];
  let changes = 0;
  const upstream = {
    request: async (request: UpstreamRequest) => {
      // A look begins when the one before it has ended.
      if (requests.length > 0) seen.push({ fault: one.fault?.detail, tools: one.tools && [...one.tools.byName.keys()] });
      requests.push(request);
      const answer = left.shift();
      if (answer === undefined) {
        stop.abort();
        throw new Error('the end');
      }
      if (answer instanceof Error) throw answer;
      const { status = 200, text = '', headers = {} } = answer;
      return { status, headers, body: Readable.from(text === '' ? [] : [Buffer.from(text)]) };
    },
  } as unknown as Upstream;
  const credentials = { ownHeaders: async () => ({ 'x-key': 'secret' }), reserved: [] } as unknown as UpstreamCredentials;
  const one = new ToolSource({
    upstream,
    url: new URL('http://127.0.0.1:8081/openapi.json'),
    credentials,
    selection: readToolSelection(environment),
    logger: pino({ level: 'silent' }),
    now: () => 0,
    onChange: () => changes++,
  });
  const running = one.run(stop.signal);
  while (!stop.signal.aborted) {
    one.recheck();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await running;
  return { one, requests, seen, changes };
}

describe('the document', () => {
  it('becomes tools, as clients list them', async () => {
    const { one, requests, changes } = await source([{ text: things }]);
    expect(requests[0]).toMatchObject({ method: 'GET', path: '/openapi.json', headers: { accept: 'application/json', 'x-key': 'secret' } });
    expect(one.tools).toMatchObject({
      version: '7',
      summary: {
        operations: 3,
        leftOut: { count: 1, first: ['POST /files: its body is neither JSON, a form nor text'] },
        unmatched: [],
      },
    });
    expect(one.tools?.listed).toEqual([
      expect.objectContaining({ name: 'listThings', title: 'List', description: 'List', _meta: { 'tenantry.dev/tags': ['Things'] } }),
      expect.not.objectContaining({ _meta: expect.anything(), title: expect.anything(), description: expect.anything() }),
    ]);
    expect(one.tools?.listedToReaders.map(({ name }) => name)).toEqual(['listThings']);
    expect(changes).toBe(1);
  });

  it('is read again only when it has changed', async () => {
    const other = document({ '/other': { get: operation('getOther') } });
    const { seen, requests, changes } = await source([
      { text: things, headers: { etag: '"1"' } },
      { status: 304 },
      { text: things },
      { text: other },
    ]);
    expect(seen.map(({ tools }) => tools)).toEqual([
      ['listThings', 'createThing'],
      ['listThings', 'createThing'],
      ['listThings', 'createThing'],
      ['getOther'],
    ]);
    expect(requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"1"', '"1"', undefined, undefined]);
    expect(changes).toBe(2);
  });

  it('may be YAML', async () => {
    const { seen } = await source([{ text: 'openapi: 3.1.0\ninfo: {title: t, version: "1"}\npaths: {/a: {get: {operationId: getA}}}\n' }]);
    expect(seen[0]).toEqual({ fault: undefined, tools: ['getA'] });
  });

  it.each<[string, Answer | Error, string]>([
    ['that is missing', { status: 404 }, 'is missing: GET /openapi.json answered 404'],
    ['that is a page', { text: ' <!DOCTYPE html>' }, 'is an HTML page'],
    ['that is a page by its type', { text: '{}', headers: { 'content-type': 'text/html' } }, 'is an HTML page'],
    ['that is neither JSON nor YAML', { text: '{"a": [' }, 'is neither JSON nor YAML'],
    ['of an API that is away', new UpstreamUnreachable('ECONNREFUSED', undefined), 'does not listen'],
  ])('%s is a fault, and earlier tools stay', async (_name, answer, fault) => {
    const { seen, changes } = await source([answer, { text: things }, answer, { text: things }]);
    expect(seen.map(({ fault: said }) => said?.includes(fault) ?? 'none')).toEqual([true, 'none', true, 'none']);
    expect(seen.map(({ tools }) => tools?.length)).toEqual([undefined, 2, 2, 2]);
    expect(changes).toBe(1);
  });
});

describe('the settings of the tenant', () => {
  it('withhold tools with a reason', async () => {
    const { one } = await source([{ text: things }], { TENANTRY_TOOLS: '{"deny":["create*","nothing_*"]}' });
    expect([...(one.tools?.byName.keys() ?? [])]).toEqual(['listThings']);
    expect(one.tools?.withheld.get('createThing')?.reason).toMatch(/\.$/);
    expect(one.tools?.summary.unmatched).toEqual([expect.stringContaining('nothing_*')]);
  });
});
