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
  /** The organization whose members administer the platform. */
  readonly platformOrganizationId: string;
  /** Where this installation's tenants are reached. */
  readonly addressing: Addressing;
  /** A URL of the control plane's own that is to be an OAuth resource. */
  readonly ownUrl: string | undefined;
  readonly log: Logger;
  readonly registry: Registry;
  /** Called before each change at WorkOS; throws where this replica does not lead. */
  readonly beforeChange: () => void;
  readonly workers?: number;
  readonly now?: () => Date;
  /** Milliseconds between comparisons of what is recorded with what is registered; jittered. */
  readonly sweepMs?: number;
}

/** From so many on they are read in pages of a hundred. */
const manyOrganizations = 50;

/** Keeps the OAuth resources of all tenants in step with their URLs: a queue of names, workers that reconcile, and a sweep. */
export class AuthorizationController {
  readonly #options: ControllerOptions;
  readonly #controller: Controller;
  readonly #urls = new KeyedMutex(Number.POSITIVE_INFINITY);
  /** Recorded identifiers that the last sweep did not find at WorkOS. */
  #lost: ReadonlySet<string> = new Set();
  /** Of this term of leading, once there are many. */
  #organizationsRead: Promise<void> | undefined;
  /** Registrations that the last sweep found to be no tenant's. */
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

  /** To be called for every change a watch reports. */
  changed(key: string, current: Tenant | undefined, previous: Tenant | undefined): void {
    if (current === undefined) this.#controller.forget(key);
    else if (previous === undefined || relevant(current) !== relevant(previous)) this.#controller.add(key);
  }

  /** To be called when an organization may have been deleted at WorkOS: its tenants are looked at again. */
  organizationChanged(id: string): void {
    const { directory, provider } = this.#options;
    provider.forgetOrganization(id);
    for (const { metadata, spec } of directory.knownTenants()) if (spec.organizationId === id) this.#controller.add(metadata.name);
  }

  /** Works until `signal` aborts, then finishes what is under way. May be called again after that. */
  async run(signal: AbortSignal): Promise<void> {
    // Another replica may have worked since, and what waited for a later attempt is forgotten.
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

  /** One by one, the organizations of thousands of tenants would be more reads at the beginning of a term than WorkOS answers. */
  async #readOrganizations(): Promise<void> {
    const { directory, provider, log } = this.#options;
    const wanted = new Set(directory.knownTenants().flatMap(({ spec }) => spec.organizationId ?? []));
    if (wanted.size < manyOrganizations) return;
    await provider.organizationIds().catch((err: unknown) => log.warn({ err }, 'organizations not listed, reading them one by one'));
  }

  async #sweepForever(signal: AbortSignal): Promise<void> {
    const every = this.#options.sweepMs ?? 600_000;
    while (!signal.aborted) {
      await this.sweep();
      await delay(every * (0.9 + 0.2 * Math.random()), undefined, { signal }).catch(() => {});
    }
  }

  /**
   * Finds registrations that somebody removed at WorkOS, and has them made anew; removes those that are nobody's; and has a tenant whose
   * organization is there no more say so.
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
      if (missing.length > 0) log.warn({ count: missing.length }, 'registrations had been removed at WorkOS');
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
    const wanted = new Set(
      directory.knownTenants().flatMap((tenant) => (seemsToHaveOrganization(tenant) ? [tenant.spec.organizationId] : [])),
    );
    if (wanted.size === 0) return;
    const present = await provider.organizationIds();
    // Made while the list was read, perhaps: the pass asks for each by itself.
    const missing = [...wanted].filter((id) => id !== undefined && !present.has(id));
    if (missing.length > 0) log.warn({ organizations: missing }, 'organizations of tenants are not at WorkOS');
    for (const id of missing) if (id !== undefined) this.organizationChanged(id);
  }

  /** One that is found in two sweeps goes: a tenant made in between would claim it by then. */
  async #removeUnclaimed(resources: readonly RegisteredResource[]): Promise<void> {
    const { directory, provider, log, beforeChange, addressing } = this.#options;
    if (!directory.synced) return;
    const found = unclaimed(resources, directory.knownTenants(), addressing);
    const again = found.filter(({ id }) => this.#unclaimed.has(id));
    this.#unclaimed = new Set(found.map(({ id }) => id));
    for (const { id, uri } of again) {
      beforeChange();
      await provider.removeResource(id);
      log.warn({ url: uri }, 'registration that no tenant claims removed');
    }
  }

  async #registerOwn(resources: readonly RegisteredResource[]): Promise<void> {
    const { ownUrl, provider, beforeChange } = this.#options;
    if (ownUrl === undefined || resources.some(({ uri }) => uri === ownUrl)) return;
    beforeChange();
    await provider.registerResource(ownUrl);
  }
}

/** The base URL in the one form that metadata at WorkOS takes: ASCII. */
function installationOf({ baseUrl }: Addressing): string {
  return new URL(baseUrl).href.replace(/\/+$/, '');
}

/** Whether the tenant says that its users can sign in. */
function seemsToHaveOrganization({ spec, status }: Tenant): boolean {
  return spec.organizationId !== undefined && isTrue(status?.conditions, 'AuthorizationReady');
}

/** What of a Tenant our work depends on; the operator's own status writes do not wake us. */
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

/** Whether the lease is lost: what was left undone is another replica's now. */
function isNotLeading(error: unknown): boolean {
  return error instanceof KubeError && error.reason === 'NotLeading';
}
