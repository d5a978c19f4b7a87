import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { mediaType, Problem } from '../../problems/problem.ts';

/** Answers connections that Node cannot read as HTTP with a problem document. There is no request yet then. */
export class ClientErrors {
  /** The last request of each connection, and its answer. */
  readonly #last = new WeakMap<Socket, { readonly request: IncomingMessage; readonly response: ServerResponse }>();

  /** Call it at the beginning of every request. */
  begun(request: IncomingMessage, response: ServerResponse): void {
    this.#last.set(request.socket, { request, response });
  }

  answer(error: Error & { readonly code?: string }, socket: Socket): void {
    // No client reads an answer then.
    if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable || this.#hasPendingResponse(socket)) {
      socket.destroy();
      return;
    }
    const problem = problemOf(error.code);
    const id = randomUUID();
    const body = JSON.stringify(problem.document(id));
    const headers = {
      'content-type': `${mediaType}; charset=utf-8`,
      'content-length': String(Buffer.byteLength(body)),
      'x-request-id': id,
      'cache-control': 'no-store',
      connection: 'close',
      ...problem.headers,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`);
  }

  /** Whether the client would take an answer that is written now as the answer to an earlier request, or as part of it. */
  #hasPendingResponse(socket: Socket): boolean {
    const last = this.#last.get(socket);
    if (last === undefined || last.response.writableFinished) return false;
    return last.response.headersSent || last.request.complete;
  }
}

function problemOf(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('headers-too-large', 'All headers together may have 16384 bytes.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem('request-timeout', 'The request did not arrive within 20 s.');
  return new Problem('malformed-request', 'The request is not valid HTTP/1.1 (RFC 9112).');
}

/** Refuses headers that must be unique: a proxy in front could use another copy than we do. @throws Problem malformed-request */
export function requireOneOfEach({ rawHeaders, httpVersion }: IncomingMessage): void {
  const count = new Map<string, number>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    count.set(name, (count.get(name) ?? 0) + 1);
  }
  if (!count.has('host') && httpVersion !== '1.0') throw new Problem('malformed-request', 'The header Host is missing.');
  const twice = ['host', 'authorization', 'content-type', 'idempotency-key'].find((name) => (count.get(name) ?? 0) > 1);
  if (twice !== undefined) throw new Problem('malformed-request', `The header ${twice} was sent more than once.`);
}
