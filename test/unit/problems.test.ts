import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { failureOf } from '../../cli/admin-api.ts';
import { createProgram } from '../../cli/program.ts';
import { type Code, catalogue, controlPlane, entryOf, shared, typeOf } from '../../problems/catalogue.ts';
import { mediaType, Problem } from '../../problems/problem.ts';
import { readJson, sendRpcError } from '../../templates/sidecar/http/http-body.ts';
import { Refusal } from '../../templates/sidecar/http/refusal.ts';
import { sendNothing, sendProblem } from '../../templates/sidecar/http/responses.ts';

const codes = Object.keys(catalogue) as Code[];

/** Every member of a document but `errors`, which has to be there only where there are several faults. */
const document = (code: Code, requestId: string) => {
  const { status, title } = entryOf(code);
  return { type: typeOf(code), code, title, status, detail: expect.any(String), remedy: expect.any(String), requestId };
};

describe('the catalogue', () => {
  test.each(codes)('%s has a title, a remedy and a status that fit together', (code) => {
    const { status, title, remedy, retryable, retryAfter } = entryOf(code);
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(title).toMatch(/^[A-Z].*[^.]$/);
    expect(remedy).toMatch(/^[A-Z].*\.$/);
    expect(status).toBeGreaterThanOrEqual(400);
    if (retryAfter !== undefined) expect(retryable).toBe(true);
    if (status === 503) expect(retryable).toBe(true);
  });
});

describe('a problem', () => {
  test('has all members, with the remedy of the catalogue', () => {
    const errors = [{ pointer: '/a~1b', detail: 'must be a string' }];
    expect(new Problem('invalid', 'The body has one fault.', { errors }).document('r1')).toEqual({
      type: 'https://tenantry.dev/problems/invalid',
      code: 'invalid',
      title: catalogue.invalid.title,
      status: 422,
      detail: 'The body has one fault.',
      remedy: catalogue.invalid.remedy,
      errors,
      requestId: 'r1',
    });
  });

  test('may have a more exact remedy and further members, which replace no member of its own', () => {
    const problem = new Problem('conflict', 'x', { remedy: 'Wait.', extensions: { currentVersion: 3, status: 200 } });
    expect(problem.document()).toMatchObject({ remedy: 'Wait.', currentVersion: 3, status: 409 });
    expect(problem.document()).not.toHaveProperty('requestId');
  });

  test('says after how long to try again, where that is known', () => {
    expect(new Problem('conflict', 'x').headers).toEqual({ 'retry-after': '1' });
    expect(new Problem('conflict', 'x', { headers: { 'retry-after': '9' } }).headers).toEqual({ 'retry-after': '9' });
    expect(new Problem('invalid', 'x').headers).toEqual({});
  });
});

describe('the sidecar', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  async function answer(listener: RequestListener, init: RequestInit = {}): Promise<Response> {
    server = createServer(listener);
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    return await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, init);
  }

  test.each<[Refusal, Code]>([
    [new Refusal('no_token', 'x'), 'unauthenticated'],
    [new Refusal('expired', 'x'), 'unauthenticated'],
    [new Refusal('scope', 'x'), 'insufficient-scope'],
    [new Refusal('not_member', 'x'), 'not-a-member'],
    [new Refusal('read_only', 'x'), 'read-only'],
    [new Refusal('starting', 'x'), 'tenant-starting'],
    [new Refusal('unavailable', 'x', { retryAfterSeconds: 7 }), 'authorization-unavailable'],
    [new Refusal('host', 'x'), 'host-refused'],
  ])('answers a refusal with a problem document', async (refusal, code) => {
    const response = await answer((_request, reply) => sendProblem(reply, refusal, 'r2'));
    expect(response.status).toBe(entryOf(code).status);
    expect(response.headers.get('content-type')).toBe(mediaType);
    expect(response.headers.get('retry-after')).toBe(refusal.headers['retry-after'] ?? null);
    expect(await response.json()).toEqual(document(code, 'r2'));
  });

  test('answers an unknown path with a problem document', async () => {
    const response = await answer((_request, reply) => sendNothing(reply, 'r3'));
    expect(await response.json()).toEqual(document('route-not-found', 'r3'));
  });

  test.each<[string, RequestInit, Code, number]>([
    ['another media type', { headers: { 'content-type': 'text/plain' }, body: '{}' }, 'unsupported-media-type', -32000],
    [
      'a body that is too large',
      { headers: { 'content-type': 'application/json' }, body: `"${'x'.repeat(100)}"` },
      'body-too-large',
      -32000,
    ],
    ['a body that is no message', { headers: { 'content-type': 'application/json' }, body: '{"' }, 'malformed-request', -32700],
  ])('answers %s with a JSON-RPC error that carries the problem', async (_what, init, code, rpcCode) => {
    const response = await answer(
      async (request, reply) => {
        const { fault } = await readJson(request, 50);
        if (fault !== undefined) sendRpcError(reply, fault, 'r4');
      },
      { method: 'POST', ...init },
    );
    expect(response.status).toBe(entryOf(code).status);
    const body = (await response.json()) as { error: { data: unknown } };
    expect(body).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: rpcCode, message: expect.any(String) } });
    expect(body.error.data).toEqual(document(code, 'r4'));
  });
});

describe('the command line', () => {
  /** Words that mean nothing to a person who types commands. */
  const ofHttp = /\b(GET|POST|PATCH|PUT|DELETE)\b|\?\w+=|Idempotency-Key|If-Match|Retry-After|\bETag\b/;
  /** Problems of requests that the command line never sends, or whose time it prints by itself. */
  const never = new Set(['method-not-allowed', 'precondition-failed', 'too-many-requests']);
  const failure = (problem: Problem, headers: Record<string, string> = {}) =>
    failureOf(new Response(null, { status: problem.status, headers }), problem.document('r5'));

  test.each(Object.keys({ ...shared, ...controlPlane }) as Code[])('prints the remedy of %s as it is', (code) => {
    const { message, remedy } = failure(new Problem(code, 'The fault.'));
    expect(remedy?.split('\n')[0]).toBe(entryOf(code).remedy);
    if (!never.has(code)) expect(`${message} ${remedy}`).not.toMatch(ofHttp);
  });

  test('prints the remedy of the answer rather than that of the catalogue', () => {
    expect(failure(new Problem('invalid-query', 'x', { remedy: 'Begin again.' })).remedy).toBe('Begin again.');
  });

  test('prints the remedy of a problem that it does not know', () => {
    const body = { code: 'made-later', detail: 'Something new happened', remedy: 'Update tenantry.' };
    expect(failureOf(new Response(null, { status: 409 }), body)).toMatchObject({
      message: 'Something new happened.',
      remedy: 'Update tenantry.',
    });
  });

  test('names the faults and the command that helps', () => {
    expect(failure(new Problem('unauthenticated', 'The token has expired.')).remedy).toContain('tenantry login');
    expect(failure(new Problem('store-unavailable', 'x'), { 'retry-after': '5' }).remedy).toContain('Try again in 5 s.');
    const errors = [
      { pointer: '', detail: 'is required' },
      { pointer: '/limits', detail: 'is too large' },
      { parameter: 'sort', detail: 'x' },
    ];
    expect(failure(new Problem('invalid', 'x', { errors })).details).toEqual(['/  is required', '/limits  is too large', 'sort  x']);
  });

  test('answers without a problem document name the status', () => {
    expect(failureOf(new Response(null, { status: 502 }), '<html>')).toMatchObject({ message: expect.stringContaining('502') });
  });

  test.each(codes.map((code) => [code, entryOf(code).command] as const).filter(([, command]) => command !== undefined))(
    'has the command that the catalogue names for %s',
    (_code, command = '') => {
      const terminal = { out() {}, err() {}, colours: { out: false, err: false }, env: {} };
      const words = command.split(' ').filter((word) => /^[a-z]+$/.test(word));
      let at = createProgram(terminal as never);
      for (const word of words) {
        const next = at.commands.find((one) => one.name() === word || one.aliases().includes(word));
        expect(next, command).toBeDefined();
        if (next !== undefined) at = next;
      }
    },
  );
});
