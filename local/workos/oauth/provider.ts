import { createHash } from 'node:crypto';
import { type Configuration, errors, interactionPolicy, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Directory } from '../directory/directory.ts';
import { errorPage } from '../pages/pages.ts';
import type { Environment } from '../state/store.ts';
import type { Vault } from '../state/vault.ts';
import { ClientAdapter } from './clients.ts';
import { GrantAdapter } from './grant-adapter.ts';
import { metadataFetch } from './metadata-fetch.ts';
import type { Registration } from './registration.ts';

const grantSeconds = 30 * 86_400;
const accessTokenSeconds = 3600;
const scopes = ['openid', 'profile', 'email', 'offline_access'];

export interface OAuthOptions {
  /** The AuthKit domain, such as http://localhost:4010. */
  readonly issuer: string;
  readonly environment: Environment;
  readonly directory: Directory;
  readonly vault: Vault;
  readonly registration: Registration;
  /** PEM of an authority to trust for metadata documents of clients on this machine. */
  readonly metadataCa: string | undefined;
}

/** The OAuth server of AuthKit, at the paths of an AuthKit domain: code flow with PKCE, all kinds of clients, and resource indicators. */
export function createProvider(options: OAuthOptions): Provider {
  const { issuer, environment, directory, vault, registration } = options;
  const { applications } = directory;
  /** Resource of a token that was requested without a resource or by a machine. Its audience is the environment's client id. */
  const environmentResource = `urn:workos:environment:${environment.clientId}`;
  const configuration: Configuration = {
    adapter: (model) => (model === 'Client' ? new ClientAdapter(vault, applications) : new GrantAdapter(model, vault)),
    fetch: metadataFetch(options.metadataCa),
    jwks: { keys: [environment.oauthKey.jwk as { kty: string }] },
    cookies: { keys: [environment.cookieSecret] },
    routes: {
      authorization: '/oauth2/authorize',
      token: '/oauth2/token',
      registration: '/oauth2/register',
      jwks: '/oauth2/jwks',
      introspection: '/oauth2/introspection',
      revocation: '/oauth2/revoke',
      userinfo: '/oauth2/userinfo',
    },
    scopes,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'given_name', 'family_name'] },
    responseTypes: ['code'],
    // Native by default, so that clients which do not send application_type may use any loopback port (RFC 8252) or their own URI scheme.
    clientDefaults: { application_type: 'native', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] },
    clientBasedCORS: () => true,
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      registration: { enabled: true, issueRegistrationAccessToken: false },
      clientIdMetadataDocument: {
        enabled: true,
        ack: 'draft-02',
        allowFetch: () => registration.switches.cimd,
        // Also called for documents that were fetched earlier.
        allowClient: () => registration.switches.cimd,
      },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) =>
          oneOf ?? directory.resources.all().find((resource) => resource.default)?.uri ?? environmentResource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, uri, { clientId }) => {
          const token = { accessTokenTTL: accessTokenSeconds, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } } as const;
          const machine = machineOf(clientId);
          // A machine's token always has this audience, independent of the requested resource.
          if (machine !== undefined) return { ...token, scope: machine.scopes.join(' '), audience: environment.clientId };
          if (uri === environmentResource) return { ...token, scope: scopes.join(' '), audience: environment.clientId };
          if (!directory.resources.all().some((resource) => resource.uri === uri)) {
            throw new errors.InvalidTarget(`The resource ${uri} is not registered in this environment.`);
          }
          return { ...token, scope: scopes.join(' '), audience: uri };
        },
      },
    },
    ttl: {
      AccessToken: accessTokenSeconds,
      ClientCredentials: accessTokenSeconds,
      AuthorizationCode: 60,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 30 * 86_400,
      Grant: grantSeconds,
      Session: 3600,
    },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    findAccount: (_ctx, id) => {
      // Called at every grant and refresh, so that a deactivated user loses access when the access token expires.
      if (!directory.users.maySignIn(id)) return undefined;
      const user = directory.users.one(id);
      const name = [user.first_name, user.last_name].filter((part) => part !== null).join(' ');
      return {
        accountId: id,
        claims: () => ({ sub: id, email: user.email, email_verified: user.email_verified, ...(name === '' ? {} : { name }) }),
      };
    },
    extraTokenClaims: (_ctx, token) => {
      if (!('accountId' in token)) return { org_id: machineOf(token.clientId)?.organization_id };
      const chosen = token.grantId === undefined ? undefined : vault.get<string>(`grant-organization:${token.grantId}`);
      const active = directory.memberships.all({ userId: token.accountId, statuses: ['active'] });
      if (chosen !== undefined && !active.some((one) => one.organization_id === chosen)) {
        throw new errors.InvalidGrant('the user is no longer a member of the organization this was granted for');
      }
      // A grant that is older than the membership has no organization.
      const organization = chosen ?? (active.length === 1 ? active[0]?.organization_id : undefined);
      return { sid: sessionOf(token.grantId ?? token.accountId), ...(organization === undefined ? {} : { org_id: organization }) };
    },
    loadExistingGrant: (ctx) => grantWhatWasAsked(ctx, vault),
    interactions: { policy: askAlways(), url: (_ctx, interaction) => `/oauth2/sign-in/${interaction.uid}` },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = errorPage(out.error, out.error_description ?? 'The request could not be answered.');
    },
  };
  const machineOf = (clientId: string | undefined) => (clientId === undefined ? undefined : applications.byClientId(clientId));
  const provider = new Provider(issuer, configuration);
  // An application may have several secrets at once, for rotation without downtime. oidc-provider supports only one.
  const compareOwn = provider.Client.prototype.compareClientSecret;
  provider.Client.prototype.compareClientSecret = function (actual: string) {
    const application = applications.byClientId(this.clientId);
    return application === undefined ? compareOwn.call(this, actual) : applications.proves(application, actual);
  };
  provider.use(registration.middleware);
  // Scope is optional in OAuth, and many MCP clients send none. oidc-provider grants nothing without a scope.
  provider.use(async (ctx, next) => {
    if (ctx.path === '/oauth2/authorize' && ctx.method === 'GET' && ctx.query['scope'] === undefined) {
      ctx.query = { ...ctx.query, scope: 'openid profile email' };
    }
    await next();
  });
  return provider;
}

/** Grants the requested access. The sign-in page shows the client and its request, so signing in is the consent. */
async function grantWhatWasAsked(ctx: KoaContextWithOIDC, vault: Vault) {
  const { client, session, params, provider, resourceServers } = ctx.oidc;
  if (client === undefined || session?.accountId === undefined) return undefined;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  const asked = String(params?.['scope'] ?? '')
    .split(' ')
    .filter((scope) => scopes.includes(scope));
  grant.addOIDCScope(asked.join(' '));
  for (const resource of Object.keys(resourceServers ?? {})) grant.addResourceScope(resource, scopes.join(' '));
  const grantId = await grant.save();
  const organizationId = ctx.oidc.result?.['organizationId'];
  if (typeof organizationId === 'string') vault.put(`grant-organization:${grantId}`, organizationId, grantSeconds);
  return grant;
}

/** Shows the sign-in page for every authorization, so that an earlier sign-in never silently chooses the user for a new client. */
function askAlways() {
  const policy = interactionPolicy.base();
  const login = policy.get('login');
  login?.checks.add(
    new interactionPolicy.Check('sign_in_each_time', 'The user signs in for every client', (ctx) =>
      ctx.oidc.result?.login === undefined ? interactionPolicy.Check.REQUEST_PROMPT : interactionPolicy.Check.NO_NEED_TO_PROMPT,
    ),
  );
  policy.get('consent')?.checks.clear();
  return policy;
}

/** One session identifier for all tokens of a grant. */
function sessionOf(grantId: string): string {
  return `session_${createHash('sha256').update(grantId).digest('hex').slice(0, 26).toUpperCase()}`;
}
