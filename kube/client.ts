import { isNotFound, KubeError } from './errors.ts';
import { type KubeObject, pathOf, type Resource } from './resources.ts';
import { Transport, type TransportOptions } from './transport.ts';

interface Common {
  readonly signal?: AbortSignal | undefined;
}
interface InNamespace extends Common {
  readonly namespace?: string | undefined;
}
interface Read extends InNamespace {
  /** Asks for the metadata alone, without spec, status or data. */
  readonly metadataOnly?: boolean;
}
interface Write extends InNamespace {
  /** Asks the server to check and admit the object without storing it. */
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
}

export interface ListOptions extends InNamespace {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  /** Asks for the metadata alone: a tenth of the memory. */
  readonly metadataOnly?: boolean;
}

export interface List<T> {
  readonly items: T[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

/** Objects in one page of `listAll`. */
const pageSize = 500;

export interface WatchOptions extends InNamespace {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion: string;
  /** Seconds after which the server ends the watch. */
  readonly timeoutSeconds: number;
  readonly metadataOnly?: boolean;
}

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T }
  | { readonly type: 'ERROR'; readonly error: KubeError };

const partialList = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json';
const partialObject = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json';

/** A watch sends a bookmark about every minute, so this long a silence means a dead connection. Events have none: see the reflector. */
export const watchSilenceMs = 150_000;

/**
 * Requests to the Kubernetes API with raw JSON on both sides: client-node's generated models lose fields they do not know.
 * Every failure is a KubeError.
 */
export class KubeClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  static fromConfig(options: TransportOptions = {}): KubeClient {
    return new KubeClient(Transport.fromConfig(options));
  }

  async get<T extends KubeObject>(resource: Resource, name: string, options: Read = {}): Promise<T> {
    const { namespace, signal, metadataOnly } = options;
    const accept = metadataOnly ? { accept: partialObject } : {};
    return this.#transport.json<T>({ method: 'GET', path: pathOf(resource, namespace, name), signal, ...accept });
  }

  /** Like `get`, but undefined when the object does not exist. */
  async find<T extends KubeObject>(resource: Resource, name: string, options: Read = {}): Promise<T | undefined> {
    try {
      return await this.get<T>(resource, name, options);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** One page; `continue` in the result asks for the next. Items get their kind and apiVersion, which lists leave out. */
  async list<T extends KubeObject>(resource: Resource, options: ListOptions = {}): Promise<List<T>> {
    const { namespace, signal, metadataOnly, ...query } = options;
    const raw = await this.#transport.json<{ metadata: { resourceVersion: string; continue?: string }; items: T[] | null }>({
      method: 'GET',
      path: pathOf(resource, namespace),
      query,
      signal,
      ...(metadataOnly ? { accept: partialList } : {}),
    });
    const items = (raw.items ?? []).map((item) => ({ ...item, apiVersion: resource.apiVersion, kind: resource.kind }));
    const next = raw.metadata.continue;
    return { items, resourceVersion: raw.metadata.resourceVersion, ...(next ? { continue: next } : {}) };
  }

  /** All pages. `resourceVersion` is that of the listed state. */
  async listAll<T extends KubeObject>(resource: Resource, options: Omit<ListOptions, 'limit' | 'continue'> = {}): Promise<List<T>> {
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const page = await this.list<T>(resource, { ...options, limit: pageSize, ...(next === undefined ? {} : { continue: next }) });
      items.push(...page.items);
      next = page.continue;
      if (next === undefined) return { items, resourceVersion: page.resourceVersion };
    }
  }

  async create<T extends KubeObject>(resource: Resource, object: KubeObject, options: Write = {}): Promise<T> {
    return this.#transport.json<T>({
      method: 'POST',
      path: pathOf(resource, options.namespace ?? object.metadata?.namespace),
      query: writeQuery(options),
      body: { apiVersion: resource.apiVersion, kind: resource.kind, ...object },
      signal: options.signal,
    });
  }

  /** Posts a review such as a TokenReview, which has no name and is not stored. */
  async review<T>(resource: Resource, review: object, options: Common = {}): Promise<T> {
    const body = { apiVersion: resource.apiVersion, kind: resource.kind, ...review };
    return this.#transport.json<T>({ method: 'POST', path: pathOf(resource), body, signal: options.signal });
  }

  /** Server-side apply of raw JSON: https://kubernetes.io/docs/reference/using-api/server-side-apply/ */
  async apply<T extends KubeObject>(
    resource: Resource,
    object: KubeObject,
    options: Common & { fieldManager: string; force?: boolean; subresource?: 'status'; dryRun?: boolean },
  ): Promise<T> {
    return this.#transport.json<T>({
      method: 'PATCH',
      path: pathOf(resource, object.metadata.namespace, object.metadata.name, options.subresource),
      query: { ...writeQuery(options), force: options.force ?? true },
      body: { ...object, apiVersion: resource.apiVersion, kind: resource.kind },
      contentType: 'application/apply-patch+yaml',
      signal: options.signal,
    });
  }

  /** JSON merge patch (RFC 7396). `metadata.resourceVersion` in it makes a concurrent change a Conflict. */
  async patch<T extends KubeObject>(
    resource: Resource,
    name: string,
    patch: object,
    options: Write & { subresource?: 'status' } = {},
  ): Promise<T> {
    return this.#transport.json<T>({
      method: 'PATCH',
      path: pathOf(resource, options.namespace, name, options.subresource),
      query: writeQuery(options),
      body: patch,
      contentType: 'application/merge-patch+json',
      signal: options.signal,
    });
  }

  /** Deletes the object; an object that is already gone is not an error. With `uid`, an object created since under the same name stays (Conflict). */
  async delete(
    resource: Resource,
    name: string,
    options: InNamespace & {
      uid?: string;
      resourceVersion?: string;
      propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
      gracePeriodSeconds?: number;
    } = {},
  ): Promise<void> {
    const { namespace, signal, uid, resourceVersion, ...rest } = options;
    const preconditions = uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
    try {
      await this.#transport.json({
        method: 'DELETE',
        path: pathOf(resource, namespace, name),
        body: { apiVersion: 'v1', kind: 'DeleteOptions', ...rest, preconditions },
        signal,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Posts to a subresource that stands for an action, such as serviceaccounts/token or pods/binding. */
  async post<T>(resource: Resource, name: string, subresource: string, body: object, options: InNamespace = {}): Promise<T> {
    return this.#transport.json<T>({
      method: 'POST',
      path: pathOf(resource, options.namespace, name, subresource),
      body,
      signal: options.signal,
    });
  }

  /** Whether the API server serves this kind. Kinds of other projects are custom resources and may be missing. */
  async serves(resource: Resource, options: Common = {}): Promise<boolean> {
    const path = `/${resource.apiVersion.includes('/') ? 'apis' : 'api'}/${resource.apiVersion}`;
    try {
      const { resources } = await this.#transport.json<{ resources: { name: string }[] }>({ method: 'GET', path, signal: options.signal });
      return resources.some(({ name }) => name === resource.plural);
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async version(options: Common = {}): Promise<{ gitVersion: string }> {
    return this.#transport.json({ method: 'GET', path: '/version', signal: options.signal });
  }

  /** Events from `resourceVersion` on, until the server ends the watch. Throws a KubeError when the connection breaks. */
  async *watch<T extends KubeObject>(resource: Resource, options: WatchOptions): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { namespace, signal, metadataOnly, ...query } = options;
    const body = await this.#transport.stream({
      method: 'GET',
      path: pathOf(resource, namespace),
      query: { ...query, watch: true, allowWatchBookmarks: true },
      ...(metadataOnly ? { accept: partialObject } : {}),
      signal,
      idleTimeoutMs: watchSilenceMs,
    });
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body) {
        const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') yield eventOf<T>(line, resource);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof KubeError ? error : KubeError.unreachable(`WATCH ${pathOf(resource, namespace)}`, error);
    }
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}

function writeQuery(options: { dryRun?: boolean; fieldManager?: string }): Record<string, string | undefined> {
  // Without strict validation the server drops unknown fields silently.
  return { dryRun: options.dryRun ? 'All' : undefined, fieldManager: options.fieldManager, fieldValidation: 'Strict' };
}

function eventOf<T extends KubeObject>(line: string, resource: Resource): WatchEvent<T> {
  const event = JSON.parse(line) as { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'; object: T & { code?: number } };
  if (event.type === 'ERROR') {
    return {
      type: 'ERROR',
      error: KubeError.fromResponse(event.object.code ?? 500, JSON.stringify(event.object), `WATCH ${resource.plural}`),
    };
  }
  return { type: event.type, object: { ...event.object, apiVersion: resource.apiVersion, kind: resource.kind } };
}
