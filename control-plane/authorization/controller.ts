import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { isTrue } from '../../crds/conditions.ts';
import type { Addressing } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Controller } from '../../kube/controller.ts';
import { KubeError } from '../../kube/errors.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import { KeyedMutex } from '../concurrency/keyed-mutex.ts';
import { type IdentityProvider, ProviderUnavailable, type RegisteredResource } from '../identity/provider.ts';
import { registrationsOf } from './plan.ts';
import { type Context, reconcile } from './reconcile.ts';
import { unclaimed } from './unclaimed.ts';

export interface ControllerOptions {
  readonly client: KubeClient;
  readonly provider: IdentityProvider;
  readonly directory: TenantDirectory;
  /** Organization whose members administer the platform. */
  readonly platformOrganizationId: string;
  /** Addresses of this installation's tenants. */
  readonly addressing: Addressing;
  /** URL of the control plane, which becomes an OAuth resource too. */
  readonly ownUrl: string | undefined;
  readonly log: Logger;
  readonly registry: Registry;
  /** Called before each change at WorkOS. It throws when this replica does not lead. */
  readonly beforeChange: () => void;
  readonly workers?: number;
  readonly now?: () => Date;
  /** Milliseconds between sweeps, with jitter. A sweep compares the recorded registrations with those at WorkOS. */
  readonly sweepMs?: number;
}

/** Number of organizations from which on they are read in pages of a hundred. */
const manyOrganizations = 50;

/** Keeps the OAuth resources of all tenants equal to their URLs, with a queue of names, workers that reconcile, and a sweep. */
export class AuthorizationController {
  readonly #options: ControllerOptions;
  readonly #controller: Controller;
  readonly #urls = new KeyedMutex(Number.POSITIVE_INFINITY);
  /** Recorded identifiers that the last sweep did not find at WorkOS. */
  #lost: ReadonlySet<string> = new Set();
  /** The reading of all organizations in this term of leading. */
  #organizationsRead: Promise<void> | undefined;
  /** Registrations without a tenant in the last sweep. */
  #unclaimed: ReadonlySet<string> = new Set();

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#controller = new Controller({
      name: 'authorization',
      registry: options.registry,
      log: options.log,
      workers: options.workers ?? 8,
      maxDelayMs: 60_000,
      reconcile: (key, signal) => this.#reconcile(key, signal),
    });
  }

  /** Call it for every change that a watch reports. */
  changed(key: string, current: Tenant | undefined, previous: Tenant | undefined): void {
    if (current === undefined) this.#controller.forget(key);
    else if (previous === undefined || relevant(current) !== relevant(previous)) this.#controller.add(key);
  }

  /** Reconciles the tenants of an organization. Call it when the organization may have been deleted at WorkOS. */
  organizationChanged(id: string): void {
    const { directory, provider } = this.#options;
    provider.forgetOrganization(id);
    for (const { metadata, spec } of directory.knownTenants()) if (spec.organizationId === id) this.#controller.add(metadata.name);
  }

  /** Works until `signal` aborts, then finishes the reconciles that have begun. It may be called again after that. */
  async run(signal: AbortSignal): Promise<void> {
    // Another replica may have led since, so the findings of the last term are dropped.
    this.#lost = new Set();
    this.#unclaimed = new Set();
    this.#organizationsRead = undefined;
    for (const { metadata } of this.#options.directory.knownTenants()) this.#controller.add(metadata.name);
    await Promise.all([this.#controller.run(signal), this.#sweepForever(signal)]);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const { directory, client, provider, platformOrganizationId, addressing } = this.#options;
    this.#organizationsRead ??= this.#readOrganizations();
    await this.#organizationsRead;
    const tenant = directory.known(key);
    if (tenant === undefined) return undefined;
    const context: Context = {
      client,
      provider,
      platformOrganizationId,
      installation: installationOf(addressing),
      tenants: () => directory.knownTenants(),
      inTurn: (url, work) => this.#urls.run([url], work),
      now: this.#options.now ?? (() => new Date()),
      beforeChange: this.#options.beforeChange,
      wrote: (written: Tenant) => directory.remember(written),
    };
    return reconcile(tenant, this.#lost, context, signal);
  }

  /** Reads many organizations in pages. At the beginning of a term, single reads for thousands of tenants would exceed WorkOS's limit. */
  async #readOrganizations(): Promise<void> {
    const { directory, provider, log } = this.#options;
    const wanted = new Set(directory.knownTenants().flatMap(({ spec }) => spec.organizationId ?? []));
    if (wanted.size < manyOrganizations) return;
    await provider.organizationIds().catch((err: unknown) => log.warn({ err }, 'listing organizations failed, reading them one by one'));
  }

  async #sweepForever(signal: AbortSignal): Promise<void> {
    const every = this.#options.sweepMs ?? 600_000;
    while (!signal.aborted) {
      await this.sweep();
      await delay(every * (0.9 + 0.2 * Math.random()), undefined, { signal }).catch(() => {});
    }
  }

  /**
   * Compares the recorded registrations with those at WorkOS. Registrations that were removed there are made again, and registrations without
   * a tenant are removed. A tenant whose organization was deleted gets a condition that says so.
   */
  async sweep(): Promise<void> {
    const { directory, provider, log } = this.#options;
    try {
      const resources = await provider.resources();
      const present = new Set(resources.map(({ id }) => id));
      const missing = directory
        .knownTenants()
        .flatMap((tenant) => registrationsOf(tenant).map(({ id }) => ({ id, key: tenant.metadata.name })))
        .filter(({ id }) => !present.has(id));
      this.#lost = new Set(missing.map(({ id }) => id));
      for (const { key } of missing) this.#controller.add(key);
      if (missing.length > 0) log.warn({ count: missing.length }, 'registrations were removed at WorkOS, registering them again');
      await this.#removeUnclaimed(resources);
      await this.#registerOwn(resources);
      await this.#findOrganizationsGone();
    } catch (error) {
      if (!(error instanceof ProviderUnavailable || isNotLeading(error))) throw error;
      log.warn({ err: error }, 'sweep of registrations failed');
    }
  }

  async #findOrganizationsGone(): Promise<void> {
    const { directory, provider, log } = this.#options;
    const wanted = new Set(directory.knownTenants().flatMap((tenant) => (mayHaveOrganization(tenant) ? [tenant.spec.organizationId] : [])));
    if (wanted.size === 0) return;
    const present = await provider.organizationIds();
    // An organization may have been created while the list was read. The reconcile asks for each one.
    const missing = [...wanted].filter((id) => id !== undefined && !present.has(id));
    if (missing.length > 0) log.warn({ organizations: missing }, 'organizations of tenants do not exist at WorkOS');
    for (const id of missing) if (id !== undefined) this.organizationChanged(id);
  }

  /** Removes registrations that had no tenant in two sweeps. A tenant that was created in between would have claimed its registration. */
  async #removeUnclaimed(resources: readonly RegisteredResource[]): Promise<void> {
    const { directory, provider, log, beforeChange, addressing } = this.#options;
    if (!directory.synced) return;
    const found = unclaimed(resources, directory.knownTenants(), addressing);
    const again = found.filter(({ id }) => this.#unclaimed.has(id));
    this.#unclaimed = new Set(found.map(({ id }) => id));
    for (const { id, uri } of again) {
      beforeChange();
      await provider.removeResource(id);
      log.warn({ url: uri }, 'removed a registration without a tenant');
    }
  }

  async #registerOwn(resources: readonly RegisteredResource[]): Promise<void> {
    const { ownUrl, provider, beforeChange } = this.#options;
    if (ownUrl === undefined || resources.some(({ uri }) => uri === ownUrl)) return;
    beforeChange();
    await provider.registerResource(ownUrl);
  }
}

/** The base URL in ASCII, which metadata at WorkOS requires. */
function installationOf({ baseUrl }: Addressing): string {
  return new URL(baseUrl).href.replace(/\/+$/, '');
}

/** Whether the tenant's condition says that its users can sign in. */
function mayHaveOrganization({ spec, status }: Tenant): boolean {
  return spec.organizationId !== undefined && isTrue(status?.conditions, 'AuthorizationReady');
}

/** The parts of a Tenant that a reconcile depends on. The operator's writes of its status do not cause one. */
function relevant({ metadata, status }: Tenant): string {
  return JSON.stringify([
    metadata.uid,
    metadata.generation,
    metadata.deletionTimestamp,
    metadata.finalizers,
    status?.endpoints,
    status?.domains?.map(({ state, mcp, api }) => [state, mcp, api]),
    status?.authorization,
    status?.conditions?.find(({ type }) => type === 'AuthorizationReady'),
  ]);
}

/** Whether this replica has lost its lease. Another replica does the remaining work. */
function isNotLeading(error: unknown): boolean {
  return error instanceof KubeError && error.reason === 'NotLeading';
}
