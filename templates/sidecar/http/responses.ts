import type { IncomingMessage, ServerResponse } from 'node:http';
import { mediaType, Problem } from '../../../problems/problem.ts';
import { sendJson } from './http-body.ts';

export function sendProblem(response: ServerResponse, problem: Problem, requestId: string): void {
  for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value);
  sendJson(response, problem.status, problem.document(requestId), mediaType);
}

export function sendNothing(response: ServerResponse, requestId: string): void {
  sendProblem(response, new Problem('route-not-found', 'Nothing is served at this path.'), requestId);
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
