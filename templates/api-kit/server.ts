import { createHash } from 'node:crypto';
import { type FastifyBaseLogger, type FastifyError, type FastifyReply, type FastifyRequest, fastify, LogController } from 'fastify';
import type { Logger } from 'pino';
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { isObject } from '../../json/object.ts';
import { mediaType, Problem } from '../../problems/problem.ts';
import type { Caller } from '../runtime/assertion.ts';
import { requestIdHeader, requestIdOf } from '../runtime/request-id.ts';
import { admit } from './admission.ts';
import { isUnavailable } from './database.ts';
import type { Operation } from './operation.ts';
import { invalid, validatorCompiler } from './validation.ts';

export interface ApiServerOptions {
  readonly operations: readonly Operation[];
  /** The OpenAPI document. */
  readonly document: unknown;
  /** Identifies the caller by the Authorization header; throws a Problem. */
  readonly authenticate: (authorization: string | undefined) => Promise<Caller>;
  /** Rejects when the API cannot serve. */
  readonly ready: () => Promise<void>;
  readonly logger: Logger;
}

/** Largest body, in bytes. */
const bodyLimit = 1024 * 1024;

/** An API of `operations`, with health, readiness, metrics and its document; not listening yet. */
export function createApiServer(options: ApiServerOptions) {
  const app = fastify({
    loggerInstance: options.logger as FastifyBaseLogger,
    // Requests are logged below, in one line each.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (request) => requestIdOf(request.headers),
    bodyLimit,
    // In-flight requests finish during shutdown; new ones on kept connections as well, since the Service may still send some.
    return503OnClosing: false,
    requestTimeout: 60_000,
  });
  const metrics = createMetrics();
  const document = JSON.stringify(options.document);
  const documentTag = `"${createHash('sha256').update(document).digest('base64url').slice(0, 22)}"`;

  app.setValidatorCompiler(validatorCompiler());
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(problemOf(error, request), request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new Problem('route-not-found', `${request.method} ${pathOf(request)} is not served.`), request, reply),
  );
  app.addContentTypeParser('application/merge-patch+json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'));

  app.addHook('onRequest', async (request, reply) => {
    reply.header(requestIdHeader, request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const operation = request.routeOptions.config.operation ?? (request.is404 ? 'none' : undefined);
    if (operation === undefined) return;
    metrics.requests.inc({ operation, status: reply.statusCode });
    metrics.duration.observe({ operation }, reply.elapsedTime / 1000);
    request.log.info({ operation, status: reply.statusCode, ms: Math.round(reply.elapsedTime), sub: request.caller?.subject }, 'request');
  });

  app.decorateRequest('caller', undefined);
  for (const operation of options.operations) {
    app.route({
      method: operation.method,
      url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { operation: operation.operationId },
      schema: {
        params: { type: 'object', properties: operation.parameters },
        querystring: { type: 'object', properties: operation.query ?? {}, additionalProperties: false },
        ...(operation.body && !operation.body.checkedByHandler && { body: operation.body.schema }),
      },
      // Runs before the body is read, so that a refused caller does not have to send it.
      onRequest: async (request) => {
        request.caller = await options.authenticate(request.headers.authorization);
        admit(request.caller, operation);
      },
      handler: async (request, reply) => {
        if (request.caller === undefined) throw new Error('handler reached without a caller');
        const { body, headers } = await operation.handle({
          path: request.params as Record<string, string>,
          query: request.query as Record<string, unknown>,
          headers: request.headers,
          body: request.body,
          caller: request.caller,
        });
        return reply
          .code(operation.answer.status)
          .headers({ ...headers })
          .send(body);
      },
    });
  }

  app.get('/openapi.json', async (request, reply) => {
    reply.headers({ etag: documentTag, 'cache-control': 'no-cache' });
    if (request.headers['if-none-match'] === documentTag) return reply.code(304).send();
    return reply.type('application/json').send(document);
  });
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    await options.ready();
    return { status: 'ok' };
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()));
  return app;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | undefined;
  }
  interface FastifyContextConfig {
    operation?: string;
  }
}

function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: 'tenantry_api_requests_total',
      help: 'Requests by operation and status.',
      labelNames: ['operation', 'status'],
      registers,
    }),
    duration: new Histogram({
      name: 'tenantry_api_request_duration_seconds',
      help: 'Time to answer, by operation.',
      labelNames: ['operation'],
      buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 10],
      registers,
    }),
  };
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply) {
  return reply.code(problem.status).headers(problem.headers).type(mediaType).serializer(JSON.stringify).send(problem.document(request.id));
}

function problemOf(error: FastifyError, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error;
  if (error.validation) {
    return invalid(error.validation.filter(isSchemaError), error.validationContext ?? 'body');
  }
  if (isUnavailable(error)) {
    request.log.warn({ err: error }, 'database unavailable');
    return new Problem('store-unavailable', 'The database did not answer.', { headers: { 'retry-after': '2' }, cause: error });
  }
  const known = malformed(error);
  if (known !== undefined) return known;
  request.log.error({ err: error }, 'request failed');
  return new Problem('internal', 'An unexpected error occurred.');
}

function isSchemaError(value: unknown): value is Parameters<typeof invalid>[0][number] {
  return isObject(value) && typeof value['instancePath'] === 'string' && typeof value['keyword'] === 'string' && isObject(value['params']);
}

/** Faults that fastify finds before a handler runs; https://fastify.dev/docs/latest/Reference/Errors/ */
function malformed(error: FastifyError): Problem | undefined {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('body-too-large', `The body is larger than ${bodyLimit} bytes.`);
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('unsupported-media-type', 'The body must be JSON, with the Content-Type application/json.');
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new Problem('malformed-request', 'The body is empty, but its Content-Type is JSON.');
    default:
      if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
        const json = error instanceof SyntaxError || error.code === 'FST_ERR_CTP_INVALID_JSON_BODY';
        return new Problem('malformed-request', json ? `The body is not valid JSON: ${error.message}` : `${error.message}.`);
      }
      return undefined;
  }
}
