import { type Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { endToEnd } from '../../net/hop-by-hop.ts';
import type { Endpoint } from './endpoints.ts';

const connectTimeoutMs = 2_000;

/** No part of the request has reached the endpoint, so it may be sent to another endpoint. */
export class NotConnectedError extends Error {
  override readonly name = 'NotConnectedError';
}

export interface Forwarded {
  readonly requestId: string;
  readonly clientAddress: string;
}

/**
 * Forwards a request and streams the answer back, both without buffering. Resolves when the answer has begun.
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
      headers: { ...withoutClaims(endToEnd(request.headers)), ...forwardedHeaders(request, more) },
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
    // An endpoint may answer and disconnect before it has read the body. The rest is read, so that the client's connection stays usable.
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
      // The client must see that the answer is incomplete.
      answer.once('error', () => response.destroy());
      answer.once('aborted', () => response.destroy());
      resolve();
    });
  });
}

const claims = new Set(['forwarded', 'x-real-ip', 'x-forwarded-port', 'x-forwarded-server', 'x-forwarded-prefix']);

function withoutClaims<T>(headers: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !claims.has(name)));
}

/** Replaces the forwarding headers of the client. The router is the edge, so it does not trust them. */
function forwardedHeaders(request: IncomingMessage, more: Forwarded): Record<string, string> {
  return {
    'x-forwarded-for': more.clientAddress,
    'x-forwarded-host': request.headers.host ?? '',
    'x-forwarded-proto': 'http',
    'x-request-id': more.requestId,
  };
}
