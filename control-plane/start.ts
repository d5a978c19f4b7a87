import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { KubeClient } from '../kube/client.ts';
import { countRequests } from '../kube/controller.ts';
import { LeaderElection } from '../kube/leader-election.ts';
import { createAdmin } from './admin/create.ts';
import { createApp, type HttpTuning, httpTuning } from './app.ts';
import { Audit } from './audit/actions.ts';
import { type AuditTuning, auditTuning, createAudit } from './audit/create.ts';
import { Ledger } from './audit/ledger.ts';
import { Callers } from './auth-tenant/callers.ts';
import { AuthorizationController } from './authorization/controller.ts';
import { TenantDirectory } from './cluster/tenant-directory.ts';
import { RateLimits } from './http/rate-limits.ts';
import { Admins } from './identity/admins.ts';
import { OAuthKeys } from './identity/oauth-keys.ts';
import { OAuthTokens } from './identity/oauth-tokens.ts';
import { IdentityProvider } from './identity/provider.ts';
import { SessionTokens } from './identity/session-tokens.ts';
import { WorkosConnection } from './identity/workos-connection.ts';
import { type LeaderWork, runWhileLeading } from './leading.ts';
import { createMemberships, type MembershipTuning, membershipTuning } from './memberships/create.ts';
import { createMetrics } from './metrics.ts';
import { PodIdentity } from './pods/identity.ts';
import type { Settings } from './settings.ts';
import { Store } from './store/store.ts';

export interface ControlPlane {
  /** URL that it listens on. */
  readonly url: string;
  /** Answers open requests, finishes reconciles and closes connections. */
  stop(): Promise<void>;
}

export interface Tuning {
  readonly sweepMs?: number;
  readonly memberships?: MembershipTuning;
  readonly audit?: AuditTuning;
  readonly http?: HttpTuning;
}

/** Longest wait for the Kubernetes API. Callers of the Admin API still wait then, so they learn that it hangs. Normal answers take milliseconds. */
const kubernetesAnswerMs = 10_000;

/** Starts serving at once. `/readyz` answers 200 after tenants and templates have been read. */
export async function startControlPlane(settings: Settings, log: Logger, tuning: Tuning = {}): Promise<ControlPlane> {
  return (await prepareControlPlane(settings, log, tuning)).start();
}

/** Creates all parts without any request, so that the API can be described before it starts. */
export async function prepareControlPlane(
  settings: Settings,
  log: Logger,
  tuning: Tuning = {},
): Promise<{ readonly app: FastifyInstance; start(): Promise<ControlPlane> }> {
  const stopping = new AbortController();
  const metrics = createMetrics();
  const { kubeconfig, lease, replica } = settings;
  const shared = { userAgent: 'tenantry-control-plane', kubeconfig, answerMs: kubernetesAnswerMs };
  const onRequest = countRequests(metrics.registry);
  const client = KubeClient.fromConfig({ ...shared, onRequest });
  const leaseClient = KubeClient.fromConfig(shared);
  const election = lease && new LeaderElection({ client: leaseClient, lease, identity: replica, registry: metrics.registry, log });
  const beforeWrite = election?.assertLeading ?? (() => {});
  const leadingClient = KubeClient.fromConfig({ ...shared, onRequest, beforeWrite });
  const connection = new WorkosConnection({
    ...settings.workos,
    observe: (operation, outcome) => metrics.provider.inc({ operation, outcome }),
  });
  const provider = new IdentityProvider(connection);
  const store = new Store({ url: settings.storeUrl, log, connections: 10 });
  const { memberships, mirror, poll } = createMemberships({
    connection,
    store,
    log,
    registry: metrics.registry,
    tuning: tuning.memberships ?? membershipTuning,
    onOrganizationChanged: (id) => controller.organizationChanged(id),
  });
  const directory: TenantDirectory = new TenantDirectory({
    client,
    onTenant: (name, current, previous) => controller.changed(name, current, previous),
    onError: (err) => log.warn({ err }, 'watch failed'),
  });
  const controller = new AuthorizationController({
    client: leadingClient,
    beforeChange: beforeWrite,
    provider,
    directory,
    platformOrganizationId: settings.platformOrganizationId,
    addressing: settings.addressing,
    ownUrl: settings.adminUrl,
    log,
    registry: metrics.registry,
    ...(tuning.sweepMs === undefined ? {} : { sweepMs: tuning.sweepMs }),
  });
  const sessions = new SessionTokens({ keysUrl: connection.sessionKeysUrl, issuer: settings.adminIssuer });
  const admins = new Admins({
    tokens: sessions,
    memberships,
    platformOrganizationId: settings.platformOrganizationId,
  });
  const limits = new RateLimits(settings.rateLimits, store);
  const audit = new Audit({ ledger: new Ledger(store.db), log });
  const admin = createAdmin({
    client,
    directory,
    store,
    admins,
    audit,
    organizationExists: async (id) => (await provider.organization(id)) !== undefined,
    addressing: settings.addressing,
    limits,
    log,
    now: () => new Date(),
    signal: stopping.signal,
  });
  const pods = new PodIdentity(client, directory, limits);
  const auditPart = createAudit({
    settings: settings.audit,
    operatorAccount: settings.operatorAccount,
    store,
    client,
    directory,
    access: admin.access,
    pods,
    limits,
    assertLeading: beforeWrite,
    log,
    registry: metrics.registry,
    tuning: tuning.audit ?? auditTuning,
  });
  const app = await createApp({
    http: tuning.http ?? httpTuning,
    trustedProxies: settings.trustedProxies,
    log,
    metrics,
    admin,
    audit: auditPart,
    identity: pods,
    memberships,
    toolAccess: settings.toolAccess,
    keys: new OAuthKeys(settings.oauthIssuer),
    webhooks: { webhooks: connection.sdk.webhooks, secret: settings.workos.webhookSecret, mirror },
    authTenant: {
      callers: new Callers(sessions, new OAuthTokens({ issuer: settings.oauthIssuer })),
      directory,
      memberships,
      limits,
      addressing: settings.addressing,
      ownUrl: settings.adminUrl,
      defaultTenant: settings.defaultTenant,
    },
    authConfig: {
      clientId: settings.workos.clientId,
      workosUrl: settings.workos.apiUrl,
      sessionIssuer: settings.adminIssuer,
      authorizationServer: settings.oauthIssuer,
    },
    ready: () => directory.synced && store.migrated && !stopping.signal.aborted,
  });
  const start = async (): Promise<ControlPlane> => {
    auditPart.loadKey();
    const url = await app.listen({ host: settings.host, port: settings.port });
    const led: LeaderWork = {
      authorization: (term) => controller.run(term),
      events: async (term) => {
        await store.untilMigrated(term);
        await poll.run(term);
      },
      audit: (term) => auditPart.lead(term),
    };
    const working = Promise.allSettled([
      directory.start(stopping.signal),
      admin.events.start(stopping.signal),
      store.run(stopping.signal),
      runWhileLeading(election, led, stopping.signal, log),
    ]);
    log.info({ url }, 'control plane started');
    return {
      url,
      stop: async () => {
        stopping.abort();
        await app.close();
        await working;
        await election?.release();
        await audit.close();
        await store.close();
        for (const each of [client, leadingClient, leaseClient]) await each.close();
        log.info('control plane stopped');
      },
    };
  };
  return { app, start };
}
