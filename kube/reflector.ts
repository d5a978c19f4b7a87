import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../net/backoff.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './errors.ts';
import { type KubeObject, keyOf, type Resource } from './resources.ts';

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Receives and keeps the metadata alone. */
  readonly metadataOnly?: boolean;
  /** Drops the parts of each object that need not be kept. Metadata must stay. */
  readonly transform?: (object: T) => T;
  /**
   * Receives every difference, in order. Must not throw and should only enqueue. `current` is undefined for a deletion.
   * An object that was deleted and created again while the watch was down arrives as a deletion, then a creation.
   */
  readonly onChange?: (key: string, current: T | undefined, previous: T | undefined) => void;
  readonly onError?: (error: unknown) => void;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Ten seconds at most: enough to spare an API server that is down, short enough for repairs once it is back. */
const backoff = { firstMs: 200, maxMs: 10_000 };
/** A watch that ends sooner than this without an event counts as a failure; otherwise it would become a busy loop. */
const shortWatchMs = 1_000;

/**
 * Keeps a local copy of a collection by list and watch until its signal aborts. It survives every error: a lost
 * connection resumes at the last version seen, an expired version leads to a new list, and repeated failures back off.
 * client-node's own informer stops for good after most errors (https://github.com/kubernetes-client/javascript/issues/2385).
 */
export class Reflector<T extends KubeObject = KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #objects = new Map<string, T>();
  #resourceVersion: string | undefined;
  #synced = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  /** Whether the first complete list has arrived. */
  get synced(): boolean {
    return this.#synced;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  /** Resolves after the first complete list and keeps watching until `signal` aborts. Rejects only when aborted before that list. */
  start(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#run(signal, resolve).then(() => reject(signal.reason), reject);
    return promise;
  }

  async #run(signal: AbortSignal, onSynced: () => void): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const began = Date.now();
      let heard = false;
      try {
        if (this.#resourceVersion === undefined) {
          await this.#relist(signal);
          this.#synced = true;
          onSynced();
          failures = 0;
        }
        for await (const event of this.#watch(signal)) {
          heard = true;
          failures = 0;
          if (event.type === 'ERROR') throw event.error;
          this.#resourceVersion = event.object.metadata.resourceVersion;
          if (event.type === 'DELETED') this.#set(keyOf(event.object), undefined);
          else if (event.type !== 'BOOKMARK') this.#set(keyOf(event.object), event.object);
        }
        if (!heard && Date.now() - began < shortWatchMs) failures++;
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error)) this.#resourceVersion = undefined;
        else this.#options.onError?.(error);
        failures++;
      }
      if (failures > 0) await this.#pause(failures, signal);
    }
  }

  #watch(signal: AbortSignal) {
    const { client, resource, namespace, labelSelector, fieldSelector, metadataOnly = false } = this.#options;
    return client.watch<T>(resource, {
      namespace,
      labelSelector,
      fieldSelector,
      metadataOnly,
      signal,
      resourceVersion: this.#resourceVersion ?? '',
      timeoutSeconds: watchSecondsOf(resource, this.#random()),
    });
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector, metadataOnly = false } = this.#options;
    const { items, resourceVersion } = await client.listAll<T>(resource, { namespace, labelSelector, fieldSelector, metadataOnly, signal });
    const found = new Map(items.map((item) => [keyOf(item), item]));
    for (const key of [...this.#objects.keys()]) if (!found.has(key)) this.#set(key, undefined);
    for (const [key, object] of found) {
      if (this.#objects.get(key)?.metadata.resourceVersion !== object.metadata.resourceVersion) this.#set(key, object);
    }
    this.#resourceVersion = resourceVersion;
  }

  #set(key: string, received: T | undefined): void {
    const previous = this.#objects.get(key);
    const current = received && this.#options.transform ? this.#options.transform(received) : received;
    if (current === undefined) {
      if (previous === undefined) return;
      this.#objects.delete(key);
      this.#options.onChange?.(key, undefined, previous);
      return;
    }
    const replaced = previous !== undefined && previous.metadata.uid !== current.metadata.uid;
    if (replaced) {
      this.#objects.delete(key);
      this.#options.onChange?.(key, undefined, previous);
    }
    this.#objects.set(key, current);
    this.#options.onChange?.(key, current, replaced ? undefined : previous);
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const ceiling = backoffMs(backoff, failures);
    await delay(ceiling * (0.5 + 0.5 * this.#random()), undefined, { signal }).catch(() => {});
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}

/**
 * How long one watch lasts. Jitter keeps many watches from reconnecting in the same second. The API server has no watch cache of Events,
 * so it sends no bookmarks for them, and a watch of Events ends before its silence counts as a dead connection.
 * @param random from 0 to below 1.
 */
export function watchSecondsOf({ kind }: Resource, random: number): number {
  const shortest = kind === 'Event' ? 60 : 300;
  return Math.round(shortest * (1 + random));
}

/** 410 Gone: the server no longer remembers the resourceVersion or the page token. */
function isExpired(error: unknown): boolean {
  return error instanceof KubeError && error.status === 410;
}
