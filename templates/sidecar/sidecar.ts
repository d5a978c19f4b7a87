import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { Problem } from '../../problems/problem.ts';
import { requestIdHeader, requestIdOf } from '../runtime/request-id.ts';
import type { Authorizer } from './auth/authorizer.ts';
import type { ServedResource, Sites } from './auth/sites.ts';
import { discardBody, sendJson } from './http/http-body.ts';
import { Refusal } from './http/refusal.ts';
import type { RequestGuard } from './http/request-guard.ts';
import { sendMetadata, sendNothing, sendProblem } from './http/responses.ts';
import { UpstreamUnreachable } from './http/upstream.ts';
import type { McpEndpoint } from './mcp-endpoint.ts';
import type { Metrics } from './metrics.ts';
import { BodyTooLarge, type PublicApi, publicBodyLimit, upstreamPath } from './public-api.ts';
import type { ToolSelection } from './settings/tool-selection.ts';
import type { ApiReporter } from './tools/api-report.ts';
import type { ToolSource } from './tools/tool-source.ts';

export interface SidecarOptions {
  readonly sites: Sites;
  readonly guard: RequestGuard;
  readonly authorizer: Authorizer;
  readonly endpoint: McpEndpoint;
  readonly publicApi: PublicApi;
  readonly source: ToolSource;
  readonly reporter: ApiReporter;
  readonly selection: ToolSelection;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Facts about a request for its metric and log line. */
interface Exchange {
  readonly id: string;
  route: 'mcp' | 'api' | 'metadata' | 'none';
  method: string;
  subject?: string;
  /** The endpoint that the request addresses. */
  resource?: ServedResource;
}

/** The sidecar's HTTP server: routes, authorizes, answers errors, and finishes what it has begun before it stops. */
export class Sidecar {
  readonly #options: SidecarOptions;
  readonly #server: Server;
  readonly #running = new Set<Exchange>();
  #draining: (() => void) | undefined;

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 65_000 }, (request, response) => {
      void this.#exchange(request, response);
    });
  }

  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
  }

  /** Stops accepting connections, lets requests finish until the deadline, then ends the others. */
  async stop(deadline: AbortSignal): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    const drained = new Promise<void>((resolve) => {
      this.#draining = resolve;
      deadline.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#settle();
    await drained;
    await this.#options.endpoint.close();
    this.#server.closeIdleConnections();
    if (this.#running.size > 0) this.#server.closeAllConnections();
    await closed;
  }

  /** Subscriptions never end by themselves, so they are not waited for. */
  #settle(): void {
    if ([...this.#running].every(({ method }) => method === subscription)) this.#draining?.();
  }

  async #exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?', 1)[0] ?? '/';
    const own = this.#ownEndpoint(path);
    if (own !== undefined) {
      await own(response);
      return;
    }
    const started = performance.now();
    const exchange: Exchange = { id: requestIdOf(request.headers), route: 'none', method: '' };
    this.#running.add(exchange);
    response.once('close', () => {
      this.#running.delete(exchange);
      const seconds = (performance.now() - started) / 1000;
      this.#record(exchange, response.statusCode, seconds);
      this.#settle();
    });
    response.setHeader(requestIdHeader, exchange.id);
    if (this.#draining !== undefined) response.setHeader('connection', 'close');
    try {
      await this.#route(request, response, path, exchange);
    } catch (error) {
      this.#answerError(error, request, response, exchange);
    }
  }

  #ownEndpoint(path: string): ((response: ServerResponse) => Promise<void> | void) | undefined {
    const { source, reporter, metrics } = this.#options;
    switch (path) {
      case '/healthz':
        return (response) => sendJson(response, 200, { status: 'ok' });
      case '/readyz':
        return (response) =>
          source.tools === undefined
            ? sendJson(response, 503, { status: source.fault?.detail ?? 'waiting for the OpenAPI document of the API' })
            : sendJson(response, 200, { status: 'ok', tools: source.tools.byName.size });
      case '/report':
        return async (response) => sendJson(response, 200, await reporter.report());
      case '/metrics':
        return async (response) => {
          const text = await metrics.registry.metrics();
          response.writeHead(200, { 'content-type': metrics.registry.contentType });
          response.end(text);
        };
      default:
        return undefined;
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse, path: string, exchange: Exchange): Promise<void> {
    const { sites, guard } = this.#options;
    const { mcp, api } = sites.at(request.headers.host);
    const described = [mcp, api].find((resource) => resource?.metadataPath === path);
    if (described !== undefined) {
      exchange.route = 'metadata';
      return sendMetadata(request, response, described.metadata);
    }
    if (path === mcp.path) {
      exchange.route = 'mcp';
      exchange.resource = mcp;
      guard.check(request.headers);
      return await this.#serveMcp(request, response, mcp, exchange);
    }
    if (api !== undefined && (path === api.path || path.startsWith(`${api.path}/`))) {
      exchange.route = 'api';
      exchange.resource = api;
      guard.check(request.headers);
      return await this.#serveApi(request, response, path, api, exchange);
    }
    sendNothing(response, exchange.id);
  }

  async #serveMcp(request: IncomingMessage, response: ServerResponse, mcp: ServedResource, exchange: Exchange): Promise<void> {
    const { authorizer, endpoint, source } = this.#options;
    const authorized = await authorizer.authorize(request.headers, mcp);
    exchange.subject = authorized.caller.subject;
    if (source.tools === undefined) throw starting();
    await endpoint.serve(request, response, authorized, exchange.id, (method) => {
      exchange.method = method;
      if (method === subscription) this.#endWithRight(request, response, mcp, exchange);
    });
  }

  /** A stream that never ends by itself must not outlive the right to it: it is cut when it would not be opened any more. */
  #endWithRight({ headers }: IncomingMessage, response: ServerResponse, mcp: ServedResource, { id }: Exchange): void {
    const { authorizer, logger } = this.#options;
    const check = async () => {
      try {
        await authorizer.authorize(headers, mcp);
      } catch (error) {
        logger.info({ rid: id, reason: error instanceof Refusal ? error.reason : String(error) }, 'subscription ended');
        response.destroy();
      }
    };
    const timer = setInterval(() => void check(), subscriptionCheckMs);
    response.once('close', () => clearInterval(timer));
  }

  async #serveApi(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    api: ServedResource,
    exchange: Exchange,
  ): Promise<void> {
    const { authorizer, publicApi } = this.#options;
    const { method = '', headers, url = '' } = request;
    const { caller, access, limits } = await authorizer.authorize(headers, api);
    exchange.subject = caller.subject;
    if (access !== 'all' && !readingMethods.has(method)) {
      throw new Refusal('read_only', `${limits} ${method} may make changes, so it was not passed on.`);
    }
    const target = upstreamPath(path, api.path);
    if (target === undefined || this.#isClosed(method, target)) return sendNothing(response, exchange.id);
    await publicApi.serve(request, response, target + url.slice(path.length), caller, exchange.id);
  }

  /** @throws {Refusal} as long as that is not known. */
  #isClosed(method: string, path: string): boolean {
    const { source, selection } = this.#options;
    if (!selection.closesAnything) return false;
    if (source.tools === undefined) throw starting();
    return source.tools.closed.closes(method, path);
  }

  #answerError(error: unknown, request: IncomingMessage, response: ServerResponse, exchange: Exchange): void {
    const { metrics, logger } = this.#options;
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    discardBody(request, response);
    const problem = problemOf(error);
    if (error instanceof Refusal) {
      metrics.countRefusal(error.reason);
      const level = problem.status === 503 ? 'warn' : 'info';
      logger[level](
        { rid: exchange.id, reason: error.reason, ...(error.cause instanceof Error && { err: error.cause }) },
        'request refused',
      );
      const challenge = exchange.resource && error.challenge(exchange.resource.metadataUrl);
      if (challenge !== undefined) response.setHeader('www-authenticate', challenge);
    } else if (problem.code === 'api-unavailable') {
      logger.warn({ rid: exchange.id, err: error }, 'API not reached');
    } else if (problem.code === 'internal') {
      logger.error({ rid: exchange.id, err: error }, 'request failed');
    }
    sendProblem(response, problem, exchange.id);
  }

  #record({ id, route, method, subject }: Exchange, status: number, seconds: number): void {
    const { metrics, logger } = this.#options;
    metrics.requests.inc({ route, method, status });
    metrics.duration.observe({ route }, seconds);
    logger.debug({ rid: id, route, method, status, sub: subject, ms: Math.round(seconds * 1000) }, 'request');
  }
}

const subscription = 'subscriptions/listen';
/** With the 30 s of a cached membership and the 20 s that the control plane believes its own, a removed user is out within 60 s. */
const subscriptionCheckMs = 5_000;

/** Those that HTTP calls safe, but for TRACE: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1 */
const readingMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

function starting(): Refusal {
  return new Refusal('starting', 'The API of this tenant is starting.');
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof BodyTooLarge || (error instanceof Error && error.cause instanceof BodyTooLarge))
    return new Problem('body-too-large', `The body is larger than ${publicBodyLimit} bytes.`);
  if (error instanceof UpstreamUnreachable) return new Problem('api-unavailable', 'The API of this tenant cannot be reached.');
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new Problem('api-timeout', 'The API of this tenant did not answer in time.');
  return new Problem('internal', 'An unexpected error occurred.');
}
