import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import { z } from 'zod';
import type { KubeClient } from './client.ts';
import { isNotFound, KubeError } from './errors.ts';
import { type KubeObject, kinds } from './resources.ts';

/** `<namespace>/<name>` of a Lease, the form used in environment variables. */
export const leaseReference = z
  .string()
  .regex(/^[^/]+\/[^/]+$/, 'must be <namespace>/<name> of a Lease')
  .transform((text): LeaseReference => {
    const [namespace = '', name = ''] = text.split('/');
    return { namespace, name };
  });

export interface LeaseReference {
  readonly namespace: string;
  readonly name: string;
}

/** Durations in milliseconds. The defaults are those of controller-runtime: 15 s, 10 s, 2 s. */
export interface LeaseTiming {
  /** Age of the last renewal after which another replica may take the lease. */
  readonly leaseMs: number;
  /** Age of the last renewal after which the leader stops. Shorter than `leaseMs`, so that it stops before another starts. */
  readonly renewMs: number;
  readonly retryMs: number;
}

export interface LeaderElectionOptions {
  /** A client of its own. The client that does the work refuses every write once the lease is lost. */
  readonly client: KubeClient;
  readonly lease: LeaseReference;
  /** Name of this replica. A restarted process with the same name takes its lease over at once. */
  readonly identity: string;
  readonly registry: Registry;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly timing?: LeaseTiming;
  /** Monotonic clock in milliseconds. Clocks of different machines are never compared. */
  readonly now?: () => number;
  readonly random?: () => number;
}

interface LeaseObject extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly leaseTransitions?: number;
    readonly renewTime?: string;
  };
}

const defaults: LeaseTiming = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

/**
 * Elects one of several replicas as leader by a Lease that the leader renews. The model is client-go's leaderelection: a lease is free
 * once this replica itself has seen it unchanged for its duration.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #timing: LeaseTiming;
  readonly #now: () => number;
  readonly #status: Gauge<'name'>;
  /** Stops the renewals of the current term. */
  #resigning = new AbortController();
  /** Time at which the last successful renewal was sent; undefined while another leads. */
  #renewedAt: number | undefined;
  #observed: { readonly version: string | undefined; readonly at: number } | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#timing = options.timing ?? defaults;
    this.#now = options.now ?? (() => performance.now());
    this.#status = new Gauge({
      name: 'leader_election_master_status',
      help: '1 while this replica leads.',
      labelNames: ['name'],
      registers: [options.registry],
    });
    this.#status.set({ name: options.lease.name }, 0);
  }

  /** Whether this replica leads now, by its own clock. A process that was paused past its lease sees false before it writes. */
  get leading(): boolean {
    return this.#renewedAt !== undefined && this.#now() < this.#renewedAt + this.#timing.renewMs;
  }

  /** Call this before every write. @throws KubeError `NotLeading` when this replica does not lead. */
  readonly assertLeading = (): void => {
    if (!this.leading) throw new KubeError(0, 'NotLeading', 'this replica is no longer the leader');
  };

  /**
   * Waits until this replica leads. The signal in the result aborts when the lease is lost. Calling `release` ends the term too.
   * Stop all work of one term before calling this again: nothing else holds back writes of an earlier term.
   * Rejects when `signal` aborts first.
   */
  async lead(signal: AbortSignal): Promise<AbortSignal> {
    const { log, lease, identity } = this.#options;
    // A time limit for each attempt: one that hangs must not hide that the API server is back.
    while (!(await this.#attempt(signal, this.#timing.renewMs))) await this.#pause(signal);
    this.#status.set({ name: lease.name }, 1);
    log.info({ lease: `${lease.namespace}/${lease.name}`, identity }, 'leading');
    this.#resigning = new AbortController();
    const lost = new AbortController();
    void this.#keep(lost, AbortSignal.any([signal, this.#resigning.signal]));
    return lost.signal;
  }

  /** Gives up the lease, so that another replica need not wait for it to expire. Call it after the work has stopped. */
  async release(): Promise<void> {
    this.#resigning.abort();
    if (!this.leading) return;
    this.#renewedAt = undefined;
    this.#status.set({ name: this.#options.lease.name }, 0);
    const found = await this.#find(AbortSignal.timeout(this.#timing.retryMs)).catch(() => undefined);
    if (found?.spec?.holderIdentity !== this.#options.identity) return;
    // The field must be positive.
    await this.#write(found, { holderIdentity: '', leaseDurationSeconds: 1 }, AbortSignal.timeout(this.#timing.retryMs)).catch(() => {});
  }

  /** Renews until `signal` aborts or the lease is lost. */
  async #keep(lost: AbortController, signal: AbortSignal): Promise<void> {
    const { lease, log } = this.#options;
    while (!signal.aborted) {
      await this.#pause(signal).catch(() => {});
      if (signal.aborted) return;
      // An attempt gets no more time than the lease has left.
      const leftMs = (this.#renewedAt ?? 0) + this.#timing.renewMs - this.#now();
      const kept = leftMs > 0 && (await this.#attempt(signal, leftMs).catch(() => false));
      if (signal.aborted || kept || this.leading) continue;
      this.#renewedAt = undefined;
      this.#status.set({ name: lease.name }, 0);
      log.warn({ lease: `${lease.namespace}/${lease.name}` }, 'lease lost');
      lost.abort(new Error('the lease is lost'));
      return;
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await delay(this.#timing.retryMs * (0.9 + 0.2 * (this.#options.random ?? Math.random)()), undefined, { signal });
  }

  /** Takes or renews the lease. False when another replica holds it, or when it was not written within `limitMs`. */
  async #attempt(ending: AbortSignal, limitMs: number): Promise<boolean> {
    const { identity, log, lease } = this.#options;
    const sentAt = this.#now();
    const signal = AbortSignal.any([ending, AbortSignal.timeout(Math.ceil(limitMs))]);
    try {
      const found = await this.#find(signal);
      const holder = found?.spec?.holderIdentity ?? '';
      if (found && holder !== '' && holder !== identity && !this.#expired(found)) {
        // Another replica holds the lease: stop leading now, not at the deadline.
        this.#renewedAt = undefined;
        return false;
      }
      const seconds = Math.ceil(this.#timing.leaseMs / 1000);
      await this.#write(found, { holderIdentity: identity, leaseDurationSeconds: seconds }, signal);
      this.#renewedAt = sentAt;
      return true;
    } catch (error) {
      ending.throwIfAborted();
      if (!(error instanceof KubeError || signal.aborted)) throw error;
      if (!(error instanceof KubeError && error.stale))
        log.warn({ lease: `${lease.namespace}/${lease.name}`, err: error }, 'lease not written');
      return false;
    }
  }

  /** Whether this replica has seen the lease unchanged for its whole duration, by its own clock. */
  #expired(lease: LeaseObject): boolean {
    const version = lease.metadata.resourceVersion;
    if (this.#observed?.version !== version) this.#observed = { version, at: this.#now() };
    // Never longer than our own duration: a value edited by hand must not stop the work for hours.
    const lastsMs = Math.min((lease.spec?.leaseDurationSeconds ?? 0) * 1000, this.#timing.leaseMs);
    return this.#now() >= (this.#observed?.at ?? 0) + lastsMs;
  }

  async #find(signal: AbortSignal): Promise<LeaseObject | undefined> {
    const { client, lease } = this.#options;
    return client.find<LeaseObject>(kinds.Lease, lease.name, { namespace: lease.namespace, signal });
  }

  async #write(
    found: LeaseObject | undefined,
    spec: { holderIdentity: string; leaseDurationSeconds: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { client, lease } = this.#options;
    // The API server wants microseconds and refuses milliseconds (https://github.com/kubernetes-client/javascript/issues/828).
    const time = new Date().toISOString().replace('Z', '000Z');
    const before = found?.spec;
    const isNew = before?.holderIdentity !== spec.holderIdentity;
    const whole = {
      ...spec,
      renewTime: time,
      ...(isNew ? { acquireTime: time, leaseTransitions: (before?.leaseTransitions ?? 0) + (found ? 1 : 0) } : {}),
    };
    const options = { namespace: lease.namespace, fieldManager: 'tenantry-leader-election', signal };
    if (!found) {
      await client.create(kinds.Lease, { metadata: { name: lease.name, namespace: lease.namespace }, ...{ spec: whole } }, options);
      return;
    }
    const { resourceVersion } = found.metadata;
    await client.patch(kinds.Lease, lease.name, { metadata: { resourceVersion }, spec: whole }, options).catch((error: unknown) => {
      // Deleted between read and write: the next attempt creates it.
      if (isNotFound(error)) throw new KubeError(409, 'Conflict', 'the lease was deleted');
      throw error;
    });
  }
}
