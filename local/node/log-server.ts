import { createReadStream, existsSync, readFileSync, statSync, watch } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { NodeServing } from '../kubernetes/start.ts';
import { tailOf } from '../machine/files.ts';
import { previousLog } from './container.ts';

export interface ContainerLog {
  readonly file: string;
  readonly isRunning: () => boolean;
}

export type FindLog = (namespace: string, pod: string, container: string) => ContainerLog | undefined;

/**
 * Serves the part of the kubelet's API that `kubectl logs` needs: `GET /containerLogs/<namespace>/<pod>/<container>` with follow,
 * tailLines and previous. Log lines have no timestamps, so sinceTime and timestamps have no effect.
 * Accepts only the API server's client certificate. The API server has already authorized the request.
 */
export async function startLogServer(serving: NodeServing, find: FindLog): Promise<{ port: number; stop(): Promise<void> }> {
  const server = createServer(
    {
      cert: readFileSync(serving.certFile),
      key: readFileSync(serving.keyFile),
      ca: readFileSync(serving.clientCaFile),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (request, response) => {
      const client = (request.socket as TLSSocket).getPeerCertificate().subject?.CN;
      response.on('error', () => {});
      if (client !== serving.clientName) {
        refuse(response, 403, 'only the API server may ask');
        return;
      }
      try {
        serve(request, response, find);
      } catch (error) {
        // A malformed path, or a log that was just removed.
        if (response.headersSent) response.destroy();
        else refuse(response, 400, error instanceof Error ? error.message : 'cannot be served');
      }
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function serve(request: IncomingMessage, response: ServerResponse, find: FindLog): void {
  const url = new URL(request.url ?? '/', 'https://node');
  const [kind, namespace, pod, container, ...rest] = url.pathname.split('/').slice(1).map(decodeURIComponent);
  if (request.method !== 'GET' || kind !== 'containerLogs' || !namespace || !pod || !container || rest.length > 0) {
    refuse(
      response,
      501,
      'pods of the local cluster are processes of this machine: only logs are served, not exec, attach or port-forward',
    );
    return;
  }
  const log = find(namespace, pod, container);
  if (log === undefined) {
    refuse(response, 404, `no container ${container} in pod ${namespace}/${pod}`);
    return;
  }
  const { searchParams } = url;
  const file = searchParams.get('previous') === 'true' ? previousLog(log.file) : log.file;
  if (!existsSync(file)) {
    refuse(response, 404, `container ${container} of pod ${namespace}/${pod} has no such log`);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  const lines = numberOf(searchParams.get('tailLines'));
  const size = statSync(file).size;
  const begin = lines === undefined ? 0 : size - Buffer.byteLength(lastLines(tailOf(file, 1_000_000), lines));
  if (searchParams.get('follow') === 'true') follow(file, begin, log, response);
  else if (size <= begin) response.end();
  else {
    createReadStream(file, { start: begin, end: size - 1 })
      .on('error', () => response.destroy())
      .pipe(response);
  }
}

/** Sends existing and new output until the container ends or the reader disconnects. */
function follow(file: string, begin: number, log: ContainerLog, response: ServerResponse): void {
  let position = begin;
  let reading = false;
  let again = false;
  const read = () => {
    if (reading) {
      again = true;
      return;
    }
    const size = sizeOf(file);
    // The log was shortened. Continue with the kept part.
    if (size < position) position = 0;
    if (size > position) {
      reading = true;
      const stream = createReadStream(file, { start: position, end: size - 1 });
      position = size;
      stream.on('error', () => response.destroy());
      stream.pipe(response, { end: false });
      stream.once('close', () => {
        reading = false;
        if (again) {
          again = false;
          read();
        } else if (!log.isRunning()) response.end();
      });
    } else if (!log.isRunning()) response.end();
  };
  const watcher = watch(file, read);
  watcher.on('error', () => response.destroy());
  // The end of a process does not change its log, so the state is polled.
  const checking = setInterval(read, 1_000);
  response.once('close', () => {
    watcher.close();
    clearInterval(checking);
  });
  response.flushHeaders();
  read();
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

export function lastLines(text: string, count: number): string {
  if (count === 0) return '';
  let from = text.length;
  for (let found = 0; from > 0; ) {
    const newline = text.lastIndexOf('\n', from - 2);
    found++;
    if (newline < 0) return text;
    from = newline + 1;
    if (found === count) break;
  }
  return text.slice(from);
}

function numberOf(text: string | null): number | undefined {
  return text === null || !/^[0-9]+$/.test(text) ? undefined : Number(text);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}
