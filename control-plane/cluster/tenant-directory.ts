import type { StackTemplate } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { isOlder, type KubeObject, kinds } from '../../kube/resources.ts';

export interface DirectoryOptions {
  readonly client: KubeClient;
  readonly onTenant?: (name: string, current: Tenant | undefined, previous: Tenant | undefined) => void;
  readonly onError?: (error: unknown) => void;
}

/** Longest time before the watch reports a created tenant, in milliseconds. A watch that is later has lost its connection and will read all again. */
const unseenMs = 30_000;

/**
 * Reads tenants and templates from local copies, which watches update. It asks the API server when a copy is incomplete or does not have the
 * object, so that callers can read an object as soon as they have written it.
 */
export class TenantDirectory {
  readonly #client: KubeClient;
  readonly #tenants: Reflector<Tenant>;
  readonly #templates: Reflector<StackTemplate>;
  /** Tenants that this process has written and its watch has not reported yet. */
  readonly #written = new Map<string, Tenant>();
  /** All tenants by name, until one changes. */
  #sorted: readonly Tenant[] | undefined;

  constructor({ client, onTenant, onError }: DirectoryOptions) {
    this.#client = client;
    const errors = onError === undefined ? {} : { onError };
    this.#tenants = new Reflector<Tenant>({
      client,
      resource: kinds.Tenant,
      onChange: (name, current, previous) => {
        this.#sorted = undefined;
        const written = this.#written.get(name);
        if (written !== undefined && (current === undefined || !isOlder(current.metadata, written.metadata))) this.#written.delete(name);
        onTenant?.(name, current, previous);
      },
      ...errors,
    });
    this.#templates = new Reflector<StackTemplate>({ client, resource: kinds.StackTemplate, ...errors });
  }

  /** Resolves when both copies are complete. The watches continue until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#tenants.start(signal), this.#templates.start(signal)]);
  }

  get synced(): boolean {
    return this.#tenants.synced && this.#templates.synced;
  }

  /** The tenant in the local copy. */
  known(name: string): Tenant | undefined {
    const cached = this.#tenants.get(name);
    const written = this.#written.get(name);
    return cached !== undefined && written !== undefined && isOlder(cached.metadata, written.metadata) ? written : cached;
  }

  /** @throws KubeError when the API server is asked and fails. */
  async find(name: string): Promise<Tenant | undefined> {
    return this.known(name) ?? (await this.#client.find<Tenant>(kinds.Tenant, name));
  }

  /** All tenants, by name. */
  async list(): Promise<readonly Tenant[]> {
    if (!this.#tenants.synced) return byName((await this.#client.listAll<Tenant>(kinds.Tenant)).items);
    this.#sorted ??= byName(this.#tenants.list().map((tenant) => this.known(tenant.metadata.name) ?? tenant));
    const fresh = this.#justCreated();
    return fresh.length === 0 ? this.#sorted : byName([...this.#sorted, ...fresh]);
  }

  knownTenants(): Tenant[] {
    return this.#tenants.list();
  }

  async template(name: string): Promise<StackTemplate | undefined> {
    return this.#templates.get(name) ?? (await this.#client.find<StackTemplate>(kinds.StackTemplate, name));
  }

  /** All templates, by name. */
  async templates(): Promise<StackTemplate[]> {
    return byName(this.#templates.synced ? this.#templates.list() : (await this.#client.listAll<StackTemplate>(kinds.StackTemplate)).items);
  }

  templateNames(): string[] {
    return this.#templates
      .list()
      .map((template) => template.metadata.name)
      .sort();
  }

  /** Makes a write of this process visible to its reads before the watch reports it. */
  remember(tenant: Tenant): void {
    this.#written.set(tenant.metadata.name, tenant);
    this.#sorted = undefined;
  }

  /** Tenants that this process has created and the watch has not reported yet. It may never report one that was deleted at once. */

  #justCreated(): Tenant[] {
    const unseen = [...this.#written.values()].filter(({ metadata }) => this.#tenants.get(metadata.name) === undefined);
    return unseen.filter(({ metadata }) => {
      const fresh = Date.now() - Date.parse(metadata.creationTimestamp ?? '') < unseenMs;
      if (!fresh) this.#written.delete(metadata.name);
      return fresh;
    });
  }
}

function byName<T extends KubeObject>(objects: T[]): T[] {
  return objects.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}
