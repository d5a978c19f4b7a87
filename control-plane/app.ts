import swagger from '@fastify/swagger';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { createJsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { type AdminParts, adminRoutes } from './admin/routes.ts';
import type { AuditPart } from './audit/create.ts';
import { type AuthConfig, authConfigRoute } from './auth-config.ts';
import { type AuthTenantParts, authTenantRoutes } from './auth-tenant/routes.ts';
import { answerError, renderErrors } from './errors/render.ts';
import { readJsonBodies } from './http/body.ts';
import { ClientErrors, requireOneOfEach } from './http/client-errors.ts';
import { completeDocument, namePermission } from './http/document.ts';
import { refuseUnknown } from './http/method-not-allowed.ts';
import { requestIdOf } from './http/request-id.ts';
import { validatorCompiler } from './http/validation.ts';
import type { OAuthKeys } from './identity/oauth-keys.ts';
import { introduction, tags } from './introduction.ts';
import type { Memberships } from './memberships/memberships.ts';
import type { Metrics } from './metrics.ts';
import type { PodIdentity } from './pods/identity.ts';
import { podRoutes } from './pods/routes.ts';
import type { ToolAccessByRole } from './pods/tool-access.ts';
import { type WebhookParts, webhookRoutes } from './webhooks/routes.ts';

/** Time limits, in milliseconds. */
export interface HttpTuning {
  /** For a request to arrive whole. It is less than `answerMs`, which starts with the request too. */
  readonly arrivalMs: number;
  /** For the answer, unless a route sets another limit. */
  readonly answerMs: number;
  /** Between two checks for late connections. */
  readonly checkMs: number;
}

export const httpTuning: HttpTuning = { arrivalMs: 20_000, answerMs: 25_000, checkMs: 1_000 };

export interface AppParts {
  readonly http: HttpTuning;
  /** Addresses and ranges of proxies whose X-Forwarded-For is trusted. */
  readonly trustedProxies: string | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly admin: AdminParts;
  readonly audit: AuditPart;
  readonly identity: PodIdentity;
  readonly memberships: Memberships;
  readonly toolAccess: ToolAccessByRole;
  readonly keys: OAuthKeys;
  readonly webhooks: WebhookParts;
  readonly authTenant: AuthTenantParts;
  readonly authConfig: AuthConfig;
  /** Whether the local copies are complete and the database has its tables. */
  readonly ready: () => boolean;
}

const bodyLimit = 256 * 1024;
/** Paths that machines poll. Their requests are counted and not logged. */
const quiet = new Set(['/healthz', '/readyz', '/metrics']);

/** Creates the HTTP server: Admin API, the pods' endpoints, health, metrics and the OpenAPI document. */
export async function createApp(parts: AppParts): Promise<FastifyInstance> {
  const { log, metrics, ready } = parts;
  const clientErrors = new ClientErrors();
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: requestIdOf,
    bodyLimit,
    requestTimeout: parts.http.arrivalMs,
    handlerTimeout: parts.http.answerMs,
    http: {
      // Node checks for late bodies only when a server is created with both time limits.
      requestTimeout: parts.http.arrivalMs,
      headersTimeout: parts.http.arrivalMs,
      connectionsCheckingInterval: parts.http.checkMs,
      // A request without Host gets a problem document from requireOneOfEach.
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => clientErrors.answer(error, socket),
    frameworkErrors: answerError,
    trustProxy: parts.trustedProxies ?? false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 300 },
  });
  app.setValidatorCompiler(validatorCompiler);
  // Bodies are built by our own code. A status field that a newer operator adds must not make a read fail.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  readJsonBodies(app);
  renderErrors(app);
  refuseUnknown(app);
  // Expectations other than 100-continue are ignored, as RFC 9110 allows.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.addHook('onRequest', async (request, reply) => {
    clientErrors.begun(request.raw, reply.raw);
    reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    requireOneOfEach(request.raw);
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const { method } = request;
    metrics.requests.observe({ method, route, status_code: reply.statusCode }, reply.elapsedTime / 1000);
    if (!quiet.has(route))
      request.log.info({ method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request answered');
  });

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tenantry control plane',
        version: '0.1.0',
        description: introduction,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags,
      components: {
        securitySchemes: {
          session: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'AuthKit session access token.' },
          oauth: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'OAuth access token of the AuthKit domain.' },
          pod: { type: 'http', scheme: 'bearer', description: "A pod's projected ServiceAccount token." },
          operator: { type: 'http', scheme: 'bearer', description: "A token of the operator's ServiceAccount." },
        },
      },
    },
    transform: createJsonSchemaTransform({ skipList: ['/openapi.json', '/metrics'] }),
    transformObject: (input) => completeDocument(jsonSchemaTransformObject(input)),
  });
  app.addHook('onRoute', namePermission);
  app.addHook('onError', (request, _reply, error) => parts.admin.access.refused(request, error));
  adminRoutes(app, parts.admin);
  parts.audit.routes(app);
  podRoutes(app, parts.identity, parts.memberships, parts.toolAccess, parts.keys);
  webhookRoutes(app, parts.webhooks);
  authTenantRoutes(app, parts.authTenant);
  authConfigRoute(app, parts.authConfig);
  app.get('/healthz', { schema: { hide: true } }, async () => ({ status: 'ok' }));
  app.get('/readyz', { schema: { hide: true } }, async (_request, reply) =>
    ready() ? { status: 'ok' } : reply.status(503).send({ status: 'waiting for the Kubernetes API or the database' }),
  );
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply
      .type(metrics.registry.contentType)
      .serializer(String)
      .send(await metrics.registry.metrics()),
  );
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.ready();
  return app;
}
