import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendJson } from './http-body.ts';

/** Problem details, RFC 9457. */
export function sendProblem(response: ServerResponse, requestId: string, status: number, title: string, detail: string): void {
  sendJson(response, status, { type: 'about:blank', title, status, detail, requestId }, 'application/problem+json');
}

export function sendNothing(response: ServerResponse, requestId: string): void {
  sendProblem(response, requestId, 404, 'Not found', 'There is nothing here. See the URLs in the status of the tenant.');
}

/** Public, and readable by pages of any origin: clients that run in browsers start here. */
export function sendMetadata(request: IncomingMessage, response: ServerResponse, metadata: unknown): void {
  response.setHeader('access-control-allow-origin', '*');
  if (request.method === 'OPTIONS') {
    response.writeHead(204, {
      'access-control-allow-methods': 'GET, OPTIONS',
      'access-control-allow-headers': '*',
      'access-control-max-age': '86400',
    });
    response.end();
  } else if (request.method === 'GET' || request.method === 'HEAD') {
    response.setHeader('cache-control', 'public, max-age=60');
    sendJson(response, 200, metadata);
  } else {
    response.writeHead(405, { allow: 'GET, OPTIONS' });
    response.end();
  }
}
