import type { Logger } from 'pino';
import { isTrue } from '../../crds/conditions.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Controller } from '../../kube/controller.ts';
import { publicFetch } from '../../kube/public-fetch.ts';
import { Reflector } from '../../kube/reflector.ts';
import { isOlder, kinds, type Resource } from '../../kube/resources.ts';
import type { DatabaseServer } from '../database/server.ts';
import { DomainClaims } from '../domains/domain-claims.ts';
import { lookUpAt } from '../domains/proof.ts';
import type { Settings } from '../installation/settings.ts';
import { EventRecorder } from '../runtime/events.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { TemplateRevisions } from '../templates/revisions.ts';
import { ApiKeyWatch } from './api-key-watch.ts';
import { Children } from './children.ts';
import type { Context } from './context.ts';
import { PodReports } from './pod-reports.ts';
import { reconcile } from './reconcile.ts';

/** Watches Tenants, templates and their children, and reconciles each tenant that is affected by a change. */
export class TenantController {
  readonly #metrics: Metrics;
  readonly #controller: Controller;
  readonly #tenants: Reflector<Tenant>;
  readonly #templates: TemplateRevisions;
  readonly #domains: DomainClaims;
  readonly #apiKeys: ApiKeyWatch;
  readonly #children: Children;
  /** Tenants as the operator's own writes returned them. The watch may not have reported them yet. */
  readonly #written = new Map<string, Tenant>();
  readonly #context: Context;
  readonly #log: Logger;

  constructor(options: {
    client: KubeClient;
    settings: Settings;
    database: DatabaseServer | undefined;
    /** Kinds of children that this cluster has. */
    watched: readonly Resource[];
    metrics: Metrics;
    audit: Context['audit'];
    log: Logger;
  }) {
    const { client, settings, database, watched, metrics, audit, log } = options;
    this.#log = log;
    this.#metrics = metrics;
    this.#controller = new Controller({
      name: 'tenant',
      registry: metrics.registry,
      log,
      workers: settings.workers,
      reconcile: (key, signal) => this.#reconcile(key, signal),
    });
    const onError = (kind: string, error: unknown): void => log.warn({ kind, err: error }, 'watch interrupted');
    this.#tenants = new Reflector<Tenant>({
      client,
      resource: kinds.Tenant,
      onChange: (key, current, previous) => this.#onTenant(key, current, previous),
      onError: (error) => onError('Tenant', error),
    });
    this.#templates = new TemplateRevisions({
      client,
      registry: metrics.registry,
      log,
      tenants: () => this.#tenants.list(),
      onChange: (template) => {
        for (const tenant of this.#tenants.list()) if (tenant.spec.template.name === template) this.#controller.add(tenant.metadata.name);
      },
      onError,
    });
    this.#domains = new DomainClaims({
      client,
      settings,
      registry: metrics.registry,
      log,
      lookUp: lookUpAt(settings.dnsServers),
      tenant: (key) => this.#latest(key),
      tenants: () => this.#tenants.list(),
      onChange: (tenant) => this.#controller.add(tenant),
      onError,
    });
    this.#apiKeys = new ApiKeyWatch(
      client,
      (tenant) => this.#controller.add(tenant),
      (error) => onError('ApiKey', error),
    );
    this.#children = new Children(client, watched, (tenant) => this.#controller.add(tenant), onError);
    this.#context = {
      client,
      settings,
      database,
      log,
      children: this.#children,
      templates: this.#templates,
      domains: this.#domains,
      apiKeys: (tenant) => this.#apiKeys.of(tenant),
      learn: (tenant) => this.#written.set(tenant.metadata.name, tenant),
      publicFetch: publicFetch(settings.verify, 5_000),
      podReports: new PodReports({
        fetch: globalThis.fetch,
        onNews: (tenant) => this.#controller.add(tenant),
        now: () => performance.now(),
      }),
      events: new EventRecorder(client),
      audit,
      metrics,
      memory: { secrets: new Map(), keys: new Map(), databases: new Map(), refused: new Map(), verifying: new Set(), verified: new Map() },
      now: () => new Date(),
      random: Math.random,
    };
  }

  get ready(): boolean {
    return this.#caches.every(({ synced }) => synced);
  }

  get #caches(): readonly { synced: boolean; start: (signal: AbortSignal) => Promise<void> }[] {
    return [this.#tenants, this.#templates, this.#domains, this.#apiKeys, this.#children];
  }

  /** Fills the caches, waits for `leading`, then works until `signal` aborts. Resolves after the running reconciles have ended. */
  async run(signal: AbortSignal, leading: () => Promise<void>): Promise<void> {
    // The workers start only when all caches are filled, because an object missing from a partly filled cache looks deleted.
    await Promise.all(this.#caches.map((cache) => cache.start(signal)));
    this.#log.info({ tenants: this.#tenants.list().length }, 'caches are filled');
    // A standby replica keeps its caches filled, so that it can take over at once.
    await leading();
    await Promise.all([this.#controller, this.#templates, this.#domains].map((worker) => worker.run(signal)));
  }

  #onTenant(key: string, current: Tenant | undefined, previous: Tenant | undefined): void {
    this.#domains.consider(current, previous);
    if (current === undefined) {
      this.#written.delete(key);
      for (const known of Object.values(this.#context.memory)) known.delete(previous?.metadata.uid ?? '');
      this.#controller.forget(key);
      this.#metrics.ready.remove({ tenant: key });
    } else {
      this.#metrics.ready.set({ tenant: key }, isTrue(current.status?.conditions, 'Ready') ? 1 : 0);
      if (previous && !isTrue(previous.status?.conditions, 'Ready') && current.status?.server && !previous.status?.server) {
        this.#metrics.provisioning.observe((Date.now() - Date.parse(current.metadata.creationTimestamp ?? '')) / 1000);
      }
      if (previous && !concernsUs(current, previous)) return;
    }
    this.#controller.add(key);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const tenant = this.#latest(key);
    if (!tenant) return undefined;
    return reconcile(tenant, this.#context, signal);
  }

  #latest(key: string): Tenant | undefined {
    const cached = this.#tenants.get(key);
    const written = this.#written.get(key);
    return cached && written && isOlder(cached.metadata, written.metadata) ? written : cached;
  }
}

/** The operator's own status writes come back through the watch. Only changes by others need another pass. */
function concernsUs(current: Tenant, previous: Tenant): boolean {
  const relevant = (tenant: Tenant): string => {
    const authorization = tenant.status?.conditions?.find((condition) => condition.type === 'AuthorizationReady');
    return JSON.stringify([
      tenant.metadata.generation,
      tenant.metadata.deletionTimestamp,
      tenant.metadata.finalizers,
      tenant.metadata.annotations,
      authorization?.status,
      authorization?.reason,
      tenant.status?.authorization?.resources,
    ]);
  };
  return relevant(current) !== relevant(previous);
}
