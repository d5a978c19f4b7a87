import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { endToEnd } from '../../net/hop-by-hop.ts';
import type { Caller } from '../runtime/assertion.ts';
import { requestIdHeader } from '../runtime/request-id.ts';
import type { UpstreamCredentials } from './auth/upstream-credentials.ts';
import type { Upstream } from './http/upstream.ts';

/** Largest body of a request, in bytes. */
export const publicBodyLimit = 10 * 1024 * 1024;
const timeoutMs = 60_000;

/** The credentials of the client, and headers that only a proxy may set. */
const droppedRequestHeaders = new Set([
  'authorization',
  'cookie',
  'forwarded',
  'host',
  'x-api-key',
  // A framework that heeds them would write where the method says that nothing is changed.
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-real-ip',
  requestIdHeader,
]);
/** A tenant's API must not set cookies for a host that it may share with others. */
const droppedAnswerHeaders = new Set(['set-cookie', requestIdHeader]);

/**
 * The path at the API for a path below the public prefix.
 * @param path Raw path of the request, without query.
 * @returns undefined for paths that are not published: the pod's own endpoints, and paths that two parsers might read differently.
 */
export function upstreamPath(path: string, prefix: string): string | undefined {
  if (!path.startsWith(`${prefix}/`)) return undefined;
  const rest = path.slice(prefix.length);
  if (rest.includes('//') || /[^!-~]|\\|%(2f|5c|00|0a|0d)/i.test(rest)) return undefined;
  let decoded: string;
  try {
    decoded = decodeURIComponent(rest);
  } catch {
    return undefined;
  }
  if (decoded.split('/').some((segment) => /^\.{1,2}(;|$)/.test(segment))) return undefined;
  if (/^\/(metrics|healthz|readyz)(?![\w.-])/i.test(decoded)) return undefined;
  return rest;
}

export interface PublicApiOptions {
  readonly upstream: Upstream;
  readonly credentials: UpstreamCredentials;
}

/** Publishes the API: what the caller sent, with the sidecar's word on who calls in place of the caller's credentials. */
export class PublicApi {
  readonly #options: PublicApiOptions;

  constructor(options: PublicApiOptions) {
    this.#options = options;
  }

  /** @param path Path at the API, as {@link upstreamPath} gives it, and query. @throws what {@link Upstream.request} throws. */
  async serve(request: IncomingMessage, response: ServerResponse, path: string, caller: Caller, requestId: string): Promise<void> {
    const { upstream, credentials } = this.#options;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
    const body = hasBody ? limited(request) : undefined;
    const answer = await upstream.request({
      method: request.method ?? 'GET',
      path,
      headers: {
        ...requestHeaders(request.headers, credentials.reserved),
        [requestIdHeader]: requestId,
        ...(await credentials.headersFor(caller, requestId)),
      },
      body,
      signal: AbortSignal.any([gone.signal, AbortSignal.timeout(timeoutMs)]),
    });
    for (const [name, value] of Object.entries(endToEnd(answer.headers))) {
      if (!droppedAnswerHeaders.has(name)) response.setHeader(name, value);
    }
    // An API is not a website: a page it might send must not run on the host of others.
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('content-security-policy', "default-src 'none'; sandbox");
    response.writeHead(answer.status);
    await pipeline(answer.body, response);
  }
}

/** The body of a request is larger than is passed on. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
}

function limited(request: IncomingMessage): PassThrough {
  if (Number(request.headers['content-length']) > publicBodyLimit) throw new BodyTooLarge();
  let length = 0;
  const counted = new PassThrough({
    transform(chunk: Buffer, _encoding, done) {
      length += chunk.length;
      done(length > publicBodyLimit ? new BodyTooLarge() : null, chunk);
    },
  });
  request.on('error', (error) => counted.destroy(error));
  return request.pipe(counted);
}

function requestHeaders(headers: IncomingMessage['headers'], reserved: readonly string[]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(endToEnd(headers))) {
    if (!droppedRequestHeaders.has(name) && !reserved.includes(name)) kept[name] = [value].flat().join(', ');
  }
  return kept;
}
