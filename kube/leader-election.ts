import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import { z } from 'zod';
import type { KubeClient } from './client.ts';
import { isNotFound, KubeError } from './errors.ts';
import { type KubeObject, kinds } from './resources.ts';

/** `<namespace>/<name>` of a Lease, as programs are told it by their environment. */
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

/** Milliseconds. The defaults are those of controller-runtime: 15 s, 10 s, 2 s. */
export interface LeaseTiming {
  /** Others may take a lease that was not renewed for so long. */
  readonly leaseMs: number;
  /** Who could not renew for so long stops leading: before others may begin. */
  readonly renewMs: number;
  readonly retryMs: number;
}

export interface LeaderElectionOptions {
  /** Must be a client of its own: that of the work sends nothing once the lease is lost. */
  readonly client: KubeClient;
  readonly lease: LeaseReference;
  /** Name of this replica. A process that replaces another under the same name takes its lease over at once. */
  readonly identity: string;
  readonly registry: Registry;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly timing?: LeaseTiming;
  /** Monotonic milliseconds: clocks of different machines are never compared. */
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
 * One of several replicas leads, by a Lease that it renews. The model is client-go's leaderelection: a lease counts as free once this
 * replica itself has seen it unchanged for its duration.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #timing: LeaseTiming;
  readonly #now: () => number;
  readonly #status: Gauge<'name'>;
  /** Ends the renewing of the present term. */
  #resigning = new AbortController();
  /** When the last successful renewal was sent, while leading. */
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

  /** Whether this replica leads at this moment, by its own clock: a process that was stopped for long learns it before it acts. */
  get leading(): boolean {
    return this.#renewedAt !== undefined && this.#now() < this.#renewedAt + this.#timing.renewMs;
  }

  /** To be called before every write. @throws KubeError that says so unless this replica leads. */
  readonly assertLeading = (): void => {
    if (!this.leading) throw new KubeError(0, 'NotLeading', 'this replica does not lead any more: another does the work');
  };

  /**
   * Waits until this replica leads. It does until the signal it resolves with aborts, because the lease is lost, or until `release` is
   * called. What was led must have ended before this is called again: writes of an earlier term are held off by nothing but that.
   * Rejects when `signal` aborts first.
   */
  async lead(signal: AbortSignal): Promise<AbortSignal> {
    const { log, lease, identity } = this.#options;
    // An attempt that hangs must not hide that the API server is back.
    while (!(await this.#attempt(signal, this.#timing.renewMs))) await this.#pause(signal);
    this.#status.set({ name: lease.name }, 1);
    log.info({ lease: `${lease.namespace}/${lease.name}`, identity }, 'leading');
    this.#resigning = new AbortController();
    const lost = new AbortController();
    void this.#keep(lost, AbortSignal.any([signal, this.#resigning.signal]));
    return lost.signal;
  }

  /** Gives the lease up so that another replica need not wait for its end. To be called once the work has stopped. */
  async release(): Promise<void> {
    this.#resigning.abort();
    if (!this.leading) return;
    this.#renewedAt = undefined;
    this.#status.set({ name: this.#options.lease.name }, 0);
    const found = await this.#find(AbortSignal.timeout(this.#timing.retryMs)).catch(() => undefined);
    if (found?.spec?.holderIdentity !== this.#options.identity) return;
    // One second, because the field must be positive.
    await this.#write(found, { holderIdentity: '', leaseDurationSeconds: 1 }, AbortSignal.timeout(this.#timing.retryMs)).catch(() => {});
  }

  /** Renews until `signal` aborts; then `release` ends it. */
  async #keep(lost: AbortController, signal: AbortSignal): Promise<void> {
    const { lease, log } = this.#options;
    while (!signal.aborted) {
      await this.#pause(signal).catch(() => {});
      if (signal.aborted) return;
      // An attempt that hangs is given up when the lease could not be kept by it any more.
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

  /** Takes or renews the lease. False when another holds it, or when it could not be written within `limitMs`. */
  async #attempt(ending: AbortSignal, limitMs: number): Promise<boolean> {
    const { identity, log, lease } = this.#options;
    const sentAt = this.#now();
    const signal = AbortSignal.any([ending, AbortSignal.timeout(Math.ceil(limitMs))]);
    try {
      const found = await this.#find(signal);
      const holder = found?.spec?.holderIdentity ?? '';
      if (found && holder !== '' && holder !== identity && !this.#expired(found)) {
        // Somebody else's, so it is not ours any more: no waiting for the deadline.
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

  /** By this replica's own clock: the lease has not changed since it was first seen so, for as long as it lasts. */
  #expired(lease: LeaseObject): boolean {
    const version = lease.metadata.resourceVersion;
    if (this.#observed?.version !== version) this.#observed = { version, at: this.#now() };
    // No longer than ours: what somebody writes into the Lease by hand must not stop the work for hours.
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
    // Microseconds: a plain date is refused (https://github.com/kubernetes-client/javascript/issues/828).
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
      // Deleted by somebody between reading and writing: made anew at the next attempt.
      if (isNotFound(error)) throw new KubeError(409, 'Conflict', 'the lease was deleted');
      throw error;
    });
  }
}
