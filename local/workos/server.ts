import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import Fastify, { type FastifyInstance } from 'fastify';
import { errors, type Provider } from 'oidc-provider';
import type { Directory } from './directory/directory.ts';
import { invitationPageRoutes } from './oauth/invitation-routes.ts';
import type { Registration } from './oauth/registration.ts';
import { expired, signInRoutes } from './oauth/sign-in-routes.ts';
import type { DemoAccount } from './pages/pages.ts';
import { applicationRoutes } from './rest/applications.ts';
import { authenticateRoutes } from './rest/authenticate.ts';
import { deviceRoutes } from './rest/devices.ts';
import { eventRoutes } from './rest/events.ts';
import { invitationRoutes } from './rest/invitations.ts';
import { membershipRoutes } from './rest/memberships.ts';
import { oauthResourceRoutes } from './rest/oauth-resources.ts';
import { organizationRoutes } from './rest/organizations.ts';
import { redirectUriRoutes } from './rest/redirect-uris.ts';
import { roleRoutes } from './rest/roles.ts';
import { standInRoutes } from './rest/stand-in.ts';
import { userRoutes } from './rest/users.ts';
import { webhookEndpointRoutes } from './rest/webhook-endpoints.ts';
import type { Devices } from './sign-in/devices.ts';
import { OrganizationChoice } from './sign-in/organization-choice.ts';
import type { Sessions } from './sign-in/sessions.ts';
import type { Events } from './state/events.ts';
import { newIdentifier } from './state/identifiers.ts';
import type { Outages } from './state/outages.ts';
import { Refusal, TooManyRequests, unavailable } from './state/refusal.ts';
import type { RequestLog } from './state/request-log.ts';
import { publicKeyOf } from './state/signing-keys.ts';
import type { Store } from './state/store.ts';
import type { Vault } from './state/vault.ts';
import type { WebhookEndpoints } from './webhooks/endpoints.ts';

export interface Parts {
  readonly issuer: string;
  readonly store: Store;
  readonly events: Events;
  readonly outages: Outages;
  readonly registration: Registration;
  readonly requests: RequestLog;
  readonly endpoints: WebhookEndpoints;
  readonly directory: Directory;
  readonly sessions: Sessions;
  readonly devices: Devices;
  readonly vault: Vault;
  readonly provider: Provider;
  readonly accounts: readonly DemoAccount[];
  /** Called with internal errors of the stand-in. */
  readonly onFault: (error: unknown) => void;
  /** Called with the method and path of each served route, such as `GET /organizations/:id`. */
  readonly onRoute: (route: string) => void;
}

/** Keep-alive timeout, in milliseconds. Longer than clients keep idle connections, so that no connection is closed just when it is reused. */
const keepAliveMs = 72_000;
/** Delay of every answer during a `slow` outage, in milliseconds. */
const slowMs = 30_000;

/** Serves the API and the AuthKit domain on one origin. */
export function createApp(parts: Parts): FastifyInstance {
  const { issuer, store, events, outages, requests, endpoints, directory, sessions, devices, vault, provider, accounts, onFault } = parts;
  const { environment } = store;
  const oauth = provider.callback();
  const { host } = new URL(issuer);
  const app = Fastify({
    logger: false,
    forceCloseConnections: true,
    serverFactory: (handler) =>
      createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
        const serve = (): void => {
          if (outages.endOf('down') !== undefined && !request.url?.startsWith('/stand-in/')) {
            response.writeHead(503, { 'content-type': 'application/json' }).end(JSON.stringify(unavailable().body));
          } else if (isOAuth(request)) {
            // oidc-provider builds its metadata from the Host header, so the issuer's host replaces the caller's value.
            request.headers.host = host;
            void oauth(request, response as ServerResponse<IncomingMessage>).catch(onFault);
          } else handler(request, response);
        };
        if (outages.endOf('slow') === undefined || request.url?.startsWith('/stand-in/')) return serve();
        const late = setTimeout(serve, slowMs);
        response.once('close', () => clearTimeout(late));
      }),
  });
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') parts.onRoute(`${one} ${url}`);
  });
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  );
  // The SDK sends a JSON content type in requests without a body, too.
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? undefined : JSON.parse(String(body)));
    } catch {
      done(new Refusal(400, { message: 'The request body is not valid JSON.' }));
    }
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('x-request-id', newIdentifier('request'));
  });
  app.addHook('onSend', () => store.saved());
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof TooManyRequests) reply.header('retry-after', error.retryAfter);
    if (error instanceof Refusal) return reply.status(error.status).send(error.body);
    if (error instanceof errors.SessionNotFound) return expired(reply);
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
    if (status >= 500) onFault(error);
    return reply.status(status).send({ message: status >= 500 ? 'Internal Server Error' : (error as Error).message });
  });
  app.setNotFoundHandler((_request, reply) => reply.status(404).send({ message: 'Not Found' }));

  app.get<{ Params: { clientId: string } }>('/sso/jwks/:clientId', async ({ params }) => {
    if (params.clientId !== environment.clientId) throw new Refusal(404, { message: `Client not found: '${params.clientId}'.` });
    return { keys: [publicKeyOf(environment.sessionKey)] };
  });
  const choice = new OrganizationChoice(directory, vault);
  signInRoutes(app, { provider, directory, choice, accounts });
  authenticateRoutes(app, environment, directory, sessions, devices);
  invitationPageRoutes(app, directory);
  deviceRoutes(app, { issuer, clientId: environment.clientId, devices, directory, choice, accounts });
  app.register(async (api) => {
    api.addHook('onRequest', async (request) => {
      if (!sameText(request.headers.authorization ?? '', `Bearer ${environment.apiKey}`)) {
        throw new Refusal(401, { message: 'Could not authorize the request. Maybe your API key is invalid?', code: 'unauthorized' });
      }
    });
    standInRoutes(api, { outages, registration: parts.registration });
    api.register(async (counted) => {
      counted.addHook('onRequest', async ({ method, routeOptions }) => {
        requests.admit(method, routeOptions.url ?? '');
        const end = outages.endOf('limited');
        if (end !== undefined) throw new TooManyRequests(Math.ceil((end - Date.now()) / 1000));
      });
      organizationRoutes(counted, directory.organizations);
      userRoutes(counted, directory.users);
      membershipRoutes(counted, directory);
      invitationRoutes(counted, issuer, directory.invitations);
      applicationRoutes(counted, directory.applications);
      redirectUriRoutes(counted, directory.redirectUris);
      roleRoutes(counted, directory.roles);
      eventRoutes(counted, events, outages);
      webhookEndpointRoutes(counted, endpoints);
      oauthResourceRoutes(counted, directory.resources);
    });
  });
  return app;
}

function isOAuth(request: IncomingMessage): boolean {
  const { url = '' } = request;
  return url.startsWith('/.well-known/') || (url.startsWith('/oauth2/') && !url.startsWith('/oauth2/sign-in/'));
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
