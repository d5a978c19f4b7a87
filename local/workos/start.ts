import { freePort } from '../machine/ports.ts';
import { openDirectory } from './directory/directory.ts';
import type { NewMembership } from './directory/memberships.ts';
import type { NewOrganization } from './directory/organizations.ts';
import { type EnvironmentSeed, tenantrySeed, workosSeed } from './directory/seed.ts';
import type { NewUser } from './directory/users.ts';
import { createProvider } from './oauth/provider.ts';
import { Registration } from './oauth/registration.ts';
import type { DemoAccount } from './pages/pages.ts';
import { createApp } from './server.ts';
import { Devices } from './sign-in/devices.ts';
import { Sessions } from './sign-in/sessions.ts';
import { type EventFilter, Events } from './state/events.ts';
import { newIdentifier, newSecret } from './state/identifiers.ts';
import { type OutageKind, Outages } from './state/outages.ts';
import type { Invitation, Membership, Organization, Role, User, WorkosEvent } from './state/records.ts';
import { RequestLog } from './state/request-log.ts';
import { createSigningKey } from './state/signing-keys.ts';
import { Store } from './state/store.ts';
import { Vault } from './state/vault.ts';
import { Deliveries } from './webhooks/deliveries.ts';
import { WebhookEndpoints } from './webhooks/endpoints.ts';

export interface WorkosOptions {
  /** Address to listen on; 127.0.0.1 when left out. */
  readonly host?: string;
  /** 0 takes a free port. A state folder should keep its port, because the issuer and the resources contain it. */
  readonly port: number;
  /** Host name in the issuer and the API URL. localhost when left out. */
  readonly publicHost?: string;
  /** State folder, which survives a restart: keys, clients, users, organizations, resources, grants. */
  readonly dir: string;
  /**
   * Permissions and roles of a new environment in addition to WorkOS's own. Those of Tenantry's setup when left out. An empty seed gives
   * an environment as WorkOS creates it.
   */
  readonly seed?: EnvironmentSeed;
  /** Milliseconds before a failed webhook is sent again. Each further pause doubles. 1 s when left out. */
  readonly webhookRetryMs?: number;
  /** Seconds a user has to sign in for a device. Five minutes when left out. */
  readonly deviceExpirySeconds?: number;
  /** Polling interval of a device, in seconds. 1 s when left out, which keeps waits short. */
  readonly deviceIntervalSeconds?: number;
  /** PEM of an authority to trust for metadata documents of clients on this machine, in addition to those of Node. */
  readonly metadataCa?: string;
  /** Called with internal errors of the stand-in. */
  readonly log?: (message: string, details: { error: unknown }) => void;
}

/** WorkOS on this machine: the API of an environment and its AuthKit domain. */
export interface WorkosStandIn {
  /** Origin of the API, for WORKOS_API_URL. */
  readonly apiUrl: string;
  /** The AuthKit domain, for TENANTRY_OAUTH_ISSUER. */
  readonly issuer: string;
  /** `iss` of session access tokens, for TENANTRY_ADMIN_ISSUER. */
  readonly adminIssuer: string;
  readonly clientId: string;
  readonly apiKey: string;
  readonly port: number;
  createOrganization(organization: NewOrganization): Organization;
  createUser(user: NewUser): Promise<User>;
  createMembership(membership: NewMembership): Membership;
  /** Deactivates a membership: the user is no longer an active member of its organization. */
  deactivate(membershipId: string): Membership;
  reactivate(membershipId: string): Membership;
  /** Gives a membership another role. */
  setRole(membershipId: string, roleSlug: string): Membership;
  deleteMembership(membershipId: string): void;
  /** Removes the user and its memberships. */
  deleteUser(userId: string): void;
  findUser(email: string): User | undefined;
  findOrganization(externalId: string): Organization | undefined;
  memberships(filter: { userId?: string; organizationId?: string }): Membership[];
  /** Roles of the environment in their order of priority, each with its permissions. */
  roles(): Role[];
  /** Events of the last 30 days, oldest first. */
  events(filter?: EventFilter): WorkosEvent[];
  /** Invitations to an e-mail address, newest last. */
  invitations(email: string): Invitation[];
  /** URIs registered as OAuth resources. */
  resources(): string[];
  /** Shows these accounts on the sign-in page, in place of those shown before. */
  showAccounts(accounts: readonly DemoAccount[]): void;
  /** Signs a session access token like AuthKit. `expiresIn` is in seconds, an hour when left out. */
  adminToken(claims: {
    readonly userId: string;
    readonly organizationId?: string;
    readonly permissions: readonly string[];
    readonly role?: string;
    readonly expiresIn?: number;
    /** E-mail address of the impersonator. */
    readonly impersonator?: string;
  }): Promise<string>;
  /** Simulates an outage of this kind for `seconds`. Zero ends it. `outageKinds` describes the kinds. */
  outage(kind: OutageKind, seconds: number): void;
  /** Number of requests by route of the API, such as `GET /events`. */
  requests(): Readonly<Record<string, number>>;
  /** All served routes, such as `GET /organizations/:id`, except those of oidc-provider. */
  routes(): readonly string[];
  close(): Promise<void>;
}

export async function startWorkos(options: WorkosOptions): Promise<WorkosStandIn> {
  const store = await Store.open(options.dir, async () => ({
    clientId: newIdentifier('client'),
    apiKey: `sk_test_${newSecret()}`,
    cookieSecret: newSecret(),
    sessionKey: await createSigningKey('sso_oidc_key_pair'),
    oauthKey: await createSigningKey('oauth_key'),
  }));
  const { environment } = store;
  const vault = new Vault(options.dir);
  const events = new Events(store);
  const outages = new Outages();
  const requests = new RequestLog();
  const endpoints = new WebhookEndpoints(store);
  const deliveries = new Deliveries({ store, vault, endpoints, events, outages }, { retryMs: options.webhookRetryMs ?? 1000 });
  const directory = openDirectory(store, events);
  if (store.isNew) {
    directory.roles.ensure(workosSeed);
    directory.roles.ensure(options.seed ?? tenantrySeed);
  }
  const { roles, memberships, organizations, users, resources } = directory;
  const accounts: DemoAccount[] = [];
  // The issuer is part of the configuration, so the port must be known before the server listens.
  const port = options.port === 0 ? await freePort(options.host ?? '127.0.0.1') : options.port;
  const issuer = `http://${options.publicHost ?? 'localhost'}:${port}`;
  const adminIssuer = `${issuer}/user_management/${environment.clientId}`;
  const sessions = new Sessions(environment, directory, vault, adminIssuer);
  const devices = new Devices(vault, {
    expirySeconds: options.deviceExpirySeconds ?? 300,
    intervalSeconds: options.deviceIntervalSeconds ?? 1,
  });
  const onFault = (error: unknown) => options.log?.('the WorkOS stand-in failed', { error });
  const registration = new Registration(store);
  const provider = createProvider({
    issuer,
    registration,
    metadataCa: options.metadataCa,
    environment,
    directory,
    vault,
  });
  provider.on('server_error', (_ctx, error) => onFault(error));
  const routes: string[] = [];
  const app = createApp({
    issuer,
    store,
    events,
    outages,
    registration,
    requests,
    endpoints,
    directory,
    sessions,
    devices,
    vault,
    provider,
    accounts,
    onFault,
    onRoute: (route) => routes.push(route),
  });
  await app.listen({ host: options.host ?? '127.0.0.1', port });
  return {
    apiUrl: issuer,
    issuer,
    adminIssuer,
    clientId: environment.clientId,
    apiKey: environment.apiKey,
    port,
    createOrganization: (organization) => organizations.create(organization),
    createUser: (user) => users.create(user),
    createMembership: (wanted) => memberships.create(users.one(wanted.userId), organizations.one(wanted.organizationId), wanted),
    deactivate: (id) => memberships.deactivate(id),
    reactivate: (id) => memberships.activate(id),
    setRole: (id, slug) => memberships.setRole(id, slug),
    deleteMembership: (id) => memberships.delete(id),
    deleteUser: (id) => users.delete(id),
    findUser: (email) => users.byEmail(email),
    findOrganization: (externalId) => organizations.byExternalId(externalId),
    memberships: (filter) => memberships.all(filter),
    roles: () => roles.roles(),
    events: (filter = {}) => events.list(filter),
    invitations: (email) => directory.invitations.all().filter((invitation) => invitation.email === email.toLowerCase()),
    resources: () => resources.all().map(({ uri }) => uri),
    showAccounts: (shown) => {
      accounts.splice(0, accounts.length, ...shown);
    },
    adminToken: ({ expiresIn = 3600, ...claims }) =>
      sessions.accessToken({ ...claims, sessionId: newIdentifier('session'), expiresInSeconds: expiresIn }),
    outage: (kind, seconds) => outages.begin(kind, seconds),
    requests: () => requests.counts(),
    routes: () => routes,
    close: async () => {
      deliveries.close();
      await app.close();
      vault.close();
      store.close();
    },
  };
}
