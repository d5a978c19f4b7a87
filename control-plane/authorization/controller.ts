import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Controller } from '../../kube/controller.ts';
import { type IdentityProvider, ProviderUnavailable } from '../identity/provider.ts';
import type { TenantDirectory } from '../tenant-directory.ts';
import { registrationsOf } from './plan.ts';
import { reconcile } from './reconcile.ts';

export interface ControllerOptions {
  readonly client: KubeClient;
  readonly provider: IdentityProvider;
  readonly directory: TenantDirectory;
  readonly log: Logger;
  readonly registry: Registry;
  /** Called before each change at WorkOS; throws where this replica does not lead. */
  readonly beforeChange: () => void;
  readonly workers?: number;
  readonly now?: () => Date;
  /** Milliseconds between comparisons of what is recorded with what is registered; jittered. */
  readonly sweepMs?: number;
}

/** Keeps the OAuth resources of all tenants in step with their URLs: a queue of names, workers that reconcile, and a sweep. */
export class AuthorizationController {
  readonly #options: ControllerOptions;
  readonly #controller: Controller;
  /** Recorded identifiers that the last sweep did not find at WorkOS. */
  #lost: ReadonlySet<string> = new Set();

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

  /** Works until `signal` aborts, then finishes what is under way. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#controller.run(signal), this.#sweepForever(signal)]);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const { directory, client, provider } = this.#options;
    const tenant = directory.known(key);
    if (tenant === undefined) return undefined;
    const context = {
      client,
      provider,
      now: this.#options.now ?? (() => new Date()),
      beforeChange: this.#options.beforeChange,
      wrote: (written: Tenant) => directory.remember(written),
    };
    return reconcile(tenant, this.#lost, context, signal);
  }

  async #sweepForever(signal: AbortSignal): Promise<void> {
    const every = this.#options.sweepMs ?? 600_000;
    while (!signal.aborted) {
      await delay(every * (0.9 + 0.2 * Math.random()), undefined, { signal }).catch(() => {});
      if (!signal.aborted) await this.sweep();
    }
  }

  /** Finds registrations that somebody removed at WorkOS, and has them made anew. */
  async sweep(): Promise<void> {
    const { directory, provider, log } = this.#options;
    try {
      const present = new Set((await provider.resources()).map(({ id }) => id));
      const missing = directory
        .knownTenants()
        .flatMap((tenant) => registrationsOf(tenant).map(({ id }) => ({ id, key: tenant.metadata.name })))
        .filter(({ id }) => !present.has(id));
      this.#lost = new Set(missing.map(({ id }) => id));
      for (const { key } of missing) this.#controller.add(key);
      if (missing.length > 0) log.warn({ count: missing.length }, 'registrations had been removed at WorkOS');
    } catch (error) {
      if (!(error instanceof ProviderUnavailable)) throw error;
      log.warn({ err: error }, 'sweep of registrations failed');
    }
  }
}

/** What of a Tenant our work depends on; the operator's own status writes do not wake us. */
function relevant({ metadata, status }: Tenant): string {
  return JSON.stringify([
    metadata.uid,
    metadata.generation,
    metadata.deletionTimestamp,
    metadata.finalizers,
    status?.endpoints,
    status?.authorization,
    status?.conditions?.find(({ type }) => type === 'AuthorizationReady'),
  ]);
}
