import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from '../../../problems/problem.ts';

/** Why a JSON body could not be read, as a JSON-RPC error. */
export interface BodyFault {
  /** Code of the JSON-RPC error. */
  readonly rpcCode: number;
  readonly problem: Problem;
}

/** Reads a JSON body of at most `limit` bytes. */
export async function readJson(
  request: IncomingMessage,
  limit: number,
): Promise<{ value: unknown; fault?: undefined } | { value?: undefined; fault: BodyFault }> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    return { fault: { rpcCode: -32000, problem: new Problem('unsupported-media-type', 'Content-Type must be application/json.') } };
  }
  const tooLarge = { fault: { rpcCode: -32000, problem: new Problem('body-too-large', `The message is larger than ${limit} bytes.`) } };
  if (Number(request.headers['content-length']) > limit) return tooLarge;
  const chunks: Buffer[] = [];
  let length = 0;
  // A body that is left in the middle must not take the connection with it, or the client never sees why.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > limit) return tooLarge;
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (value !== null && typeof value === 'object') return { value };
  } catch {
    // Answered below.
  }
  return { fault: { rpcCode: -32700, problem: new Problem('malformed-request', 'Parse error: the body must be a JSON-RPC message.') } };
}

/** Bytes read of a refused request's body before its connection is given up. */
const discardLimit = 16 * 1024 * 1024;

/**
 * Reads what is left of the body of a refused request. A connection that is closed on unread bytes is reset, and the client, or a proxy
 * between, loses the answer; one that is read to the end serves the next request.
 */
export function discardBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete || request.destroyed) return;
  if (Number(request.headers['content-length']) > discardLimit) response.setHeader('connection', 'close');
  let left = discardLimit;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.resume();
}

export function sendRpcError(response: ServerResponse, { rpcCode, problem }: BodyFault, requestId: string): void {
  const error = { code: rpcCode, message: problem.message, data: problem.document(requestId) };
  sendJson(response, problem.status, { jsonrpc: '2.0', id: null, error });
}

export function sendJson(response: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
