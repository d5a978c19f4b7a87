import { type Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Endpoint } from './endpoints.ts';

/** RFC 9110 section 7.6.1, and what only concerned the connection to the router. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);
const connectTimeoutMs = 2_000;

/** Nothing of the request has reached the endpoint, so it may be sent to another. */
export class NotConnectedError extends Error {
  override readonly name = 'NotConnectedError';
}

export interface Forwarded {
  readonly requestId: string;
  readonly clientAddress: string;
}

/**
 * Sends a request on and streams the answer back, both without buffering. Resolves when the answer has begun.
 * @throws NotConnectedError before anything was sent; Error when the endpoint broke off before it answered.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  endpoint: Endpoint,
  agent: Agent,
  more: Forwarded,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let connected = false;
    const upstream = httpRequest({
      ...endpoint,
      agent,
      method: request.method,
      path: request.url,
      headers: { ...endToEnd(request.headers, claims), ...forwardedHeaders(request, more) },
    });
    const leave = () => upstream.destroy();
    response.once('close', leave);
    upstream.once('socket', (socket) => {
      const send = () => {
        connected = true;
        socket.setTimeout(0);
        request.pipe(upstream);
      };
      if (!socket.connecting) send();
      else {
        socket.setTimeout(connectTimeoutMs, () => {
          if (!connected) upstream.destroy(new Error('connection timed out'));
        });
        socket.once('connect', send);
      }
    });
    upstream.once('error', (error) => {
      response.off('close', leave);
      reject(connected ? error : new NotConnectedError(error.message));
    });
    // An endpoint may answer and leave before it has read the body. The client's connection serves its next request once the rest is read.
    upstream.once('close', () => {
      if (!connected) return;
      request.unpipe(upstream);
      request.resume();
    });
    upstream.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.headers));
      // An event stream's head must not wait for its first event.
      response.flushHeaders();
      answer.pipe(response);
      // A broken answer must look broken, not complete.
      answer.once('error', () => response.destroy());
      answer.once('aborted', () => response.destroy());
      resolve();
    });
  });
}

function endToEnd(headers: IncomingHttpHeaders, more: readonly string[] = []): Record<string, string | string[]> {
  const named = new Set([...more, ...(headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase())]);
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !hopByHop.has(name) && !named.has(name)) kept[name] = value;
  }
  return kept;
}

const claims = ['forwarded', 'x-real-ip', 'x-forwarded-port', 'x-forwarded-server', 'x-forwarded-prefix'];

/** The router is the edge: what a client says about itself in these headers is not believed. */
function forwardedHeaders(request: IncomingMessage, more: Forwarded): Record<string, string> {
  return {
    'x-forwarded-for': more.clientAddress,
    'x-forwarded-host': request.headers.host ?? '',
    'x-forwarded-proto': 'http',
    'x-request-id': more.requestId,
  };
}
