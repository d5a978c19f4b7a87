import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answer of a server; undefined to cut the connection. */
export type Answer = { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } | undefined;

export interface AnsweringServer extends AsyncDisposable {
  readonly url: string;
  /** Method and URL of each request, such as `GET /organizations/org_1`. */
  readonly requests: readonly string[];
}

/** A server that answers each request with JSON as `answer` decides. `count` counts the requests, from 1. */
export async function startAnswering(answer: (request: IncomingMessage, count: number) => Answer): Promise<AnsweringServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const given = answer(request, requests.length);
    if (given === undefined) return response.destroy();
    response.writeHead(given.status, { 'content-type': 'application/json', ...given.headers });
    return response.end(JSON.stringify(given.body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
