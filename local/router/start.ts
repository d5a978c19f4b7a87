import { randomUUID } from 'node:crypto';
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { mediaType, Problem } from '../../problems/problem.ts';
import type { Log } from '../machine/process.ts';
import type { Pod } from '../node/pod.ts';
import { type Endpoint, endpointsOf, type Service } from './endpoints.ts';
import { forward, NotConnectedError } from './forward.ts';
import { announce, ingressClass, ingressClassName } from './ingress-class.ts';
import { pathOf, refusalOf } from './request-path.ts';
import { type Backend, type Ingress, isOurs, Routes } from './routes.ts';

export interface RouterOptions {
  readonly client: KubeClient;
  /** 0 takes a free port. */
  readonly port: number;
  readonly host: string;
  readonly log: Log;
}

export interface Router {
  readonly port: number;
  readonly url: string;
  /** Class of the Ingresses that the router serves. */
  readonly ingressClass: string;
  stop(): Promise<void>;
}

const attempts = 3;

/**
 * Starts an ingress controller for local pods. It serves Ingresses of class `tenantry-local`, or without a class, over plain HTTP.
 * Pods receive paths unchanged. Resolves when it listens and knows all routes.
 * @throws Error when the port is taken.
 */
export async function startRouter(options: RouterOptions): Promise<Router> {
  const { client, host, log } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const podsOf = new Map<string, Map<string, Pod>>();
  let routes: Routes | undefined;

  const watching = <T extends KubeObject>(
    resource: (typeof kinds)[keyof typeof kinds],
    onChange: (key: string, current: T | undefined, previous: T | undefined) => void,
  ) =>
    new Reflector<T>({
      client,
      resource,
      onChange,
      onError: (error) => log.debug({ err: error }, 'watch of the router failed, trying again'),
    });
  const ingresses = watching<Ingress>(kinds.Ingress, (_key, current) => {
    routes = undefined;
    if (current !== undefined && isOurs(current, ingressClassName)) void announce(client, current, log, signal);
  });
  const services = watching<Service>(kinds.Service, () => {});
  const pods = watching<Pod>(kinds.Pod, (key, current, previous) => {
    const namespace = (current ?? previous)?.metadata.namespace ?? '';
    const inNamespace = podsOf.get(namespace) ?? new Map<string, Pod>();
    if (current !== undefined) inNamespace.set(key, current);
    else inNamespace.delete(key);
    if (inNamespace.size > 0) podsOf.set(namespace, inNamespace);
    else podsOf.delete(namespace);
  });
  const match = (hostHeader: string | undefined, path: string): Backend | undefined => {
    routes ??= new Routes(ingresses.list().filter((ingress) => isOurs(ingress, ingressClassName)));
    return routes.match(hostHeader, path);
  };

  const agent = new Agent({ keepAlive: true, maxFreeSockets: 16 });
  const turns = new Map<string, number>();
  /** Ready pods of a backend, round-robin: each call begins with the next one. */
  const inTurn = (backend: Backend): Endpoint[] => {
    const key = `${backend.namespace}/${backend.service}`;
    const endpoints = endpointsOf(backend, services.get(key), podsOf.get(backend.namespace)?.values() ?? []);
    if (endpoints.length < 2) return endpoints;
    const turn = ((turns.get(key) ?? -1) + 1) % endpoints.length;
    turns.set(key, turn);
    return [...endpoints.slice(turn), ...endpoints.slice(0, turn)];
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const requestId = requestIdOf(request);
    const target = request.url ?? '';
    const refusal = refusalOf(target);
    if (refusal !== undefined) return send(response, new Problem('malformed-request', refusal), requestId);
    const backend = match(request.headers.host, pathOf(target));
    if (backend === undefined) {
      return send(response, new Problem('route-not-found', 'No Ingress has a route for this host and path.'), requestId);
    }
    const endpoints = inTurn(backend);
    const clientAddress = request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '';
    for (const endpoint of endpoints.slice(0, attempts)) {
      try {
        return await forward(request, response, endpoint, agent, { requestId, clientAddress });
      } catch (error) {
        if (response.destroyed || response.headersSent) return;
        const fields = { err: error, namespace: backend.namespace, service: backend.service, requestId };
        log.warn(fields, 'request could not be forwarded');
        if (!(error instanceof NotConnectedError)) {
          return send(response, new Problem('backend-failed', `A pod of service ${backend.service} ended the connection.`), requestId);
        }
      }
    }
    send(response, new Problem('backend-unavailable', `No pod of service ${backend.service} is ready.`), requestId);
  };
  const server = createServer((request, response) => {
    response.on('error', () => {});
    serve(request, response).catch((error: unknown) => {
      log.error({ err: error }, 'router failed');
      response.destroy();
    });
  });
  // Uploads and streams have no time limit.
  server.requestTimeout = 0;

  const stop = async () => {
    stopping.abort();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    agent.destroy();
  };
  try {
    await client.apply(kinds.IngressClass, ingressClass, { fieldManager: 'tenantry-local-router', signal });
    await Promise.all([ingresses.start(signal), services.start(signal), pods.start(signal)]);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, host, resolve);
    });
  } catch (error) {
    await stop();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${options.port} on ${host} is taken by another program; stop it or choose another port`);
  }
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  log.info({ port }, 'router listens');
  return { port, url: `http://localhost:${port}`, ingressClass: ingressClassName, stop };
}

/** Keeps a client's request id when it is safe to log. */
function requestIdOf(request: IncomingMessage): string {
  const sent = request.headers['x-request-id'];
  return typeof sent === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(sent) ? sent : randomUUID();
}

function send(response: ServerResponse, problem: Problem, requestId: string): void {
  response.writeHead(problem.status, { 'content-type': mediaType, 'x-request-id': requestId, ...problem.headers });
  response.end(JSON.stringify(problem.document(requestId)));
}
