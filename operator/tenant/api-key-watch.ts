import type { ApiKey } from '../../crds/api-keys.ts';
import { tenantOfNamespace } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { kinds } from '../../kube/resources.ts';

/** Watches the ApiKeys of all tenants. */
export class ApiKeyWatch {
  readonly #byTenant = new Map<string, Map<string, ApiKey>>();
  readonly #reflector: Reflector<ApiKey>;

  constructor(client: KubeClient, onChange: (tenant: string) => void, onError: (error: unknown) => void) {
    this.#reflector = new Reflector<ApiKey>({
      client,
      resource: kinds.ApiKey,
      onError,
      onChange: (key, current, previous) => {
        const tenant = tenantOfNamespace((current ?? previous)?.metadata.namespace ?? '');
        if (tenant === undefined) return;
        const keys = this.#byTenant.get(tenant) ?? new Map<string, ApiKey>();
        if (current) keys.set(key, current);
        else keys.delete(key);
        if (keys.size > 0) this.#byTenant.set(tenant, keys);
        else this.#byTenant.delete(tenant);
        onChange(tenant);
      },
    });
  }

  /** Resolves once all are listed. */
  start(signal: AbortSignal): Promise<void> {
    return this.#reflector.start(signal);
  }

  get synced(): boolean {
    return this.#reflector.synced;
  }

  of(tenant: string): readonly ApiKey[] {
    return [...(this.#byTenant.get(tenant)?.values() ?? [])];
  }
}
