import { createHash } from 'node:crypto';
import { type ApiKey, type ApiKeyScope, apiKeyId, apiKeyLimit, apiKeyName, generateApiKey } from '../../crds/api-keys.ts';
import { labels, namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound, KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { Problem } from '../../problems/problem.ts';
import { fieldManager } from '../cluster/field-manager.ts';

export interface NewApiKey {
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** RFC 3339. */
  readonly expiresAt?: string | undefined;
}

/** API keys of tenants, stored as objects with hashes. The keys themselves are stored nowhere. */
export class ApiKeys {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** API keys of the tenant, oldest first. */
  async list(tenant: Tenant): Promise<ApiKey[]> {
    if (!(await this.#owns(tenant))) return [];
    const items = await this.#objects(tenant);
    const key = ({ metadata }: ApiKey) => `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
    return items.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  /** @returns the object and the key, which is not stored. @throws Problem tenant-not-ready, api-key-limit-reached */
  async create(tenant: Tenant, { name, scopes, expiresAt }: NewApiKey, createdBy: string): Promise<{ object: ApiKey; key: string }> {
    if (!(await this.#owns(tenant))) throw notReady(tenant.metadata.name);
    // Concurrent requests may exceed the limit by a few. The pods' file of keys has room for many more.
    if ((await this.#objects(tenant)).length >= apiKeyLimit) throw limitReached(tenant.metadata.name);
    const key = generateApiKey();
    const sha256 = createHash('sha256').update(key).digest('hex');
    const object = {
      metadata: {
        name: apiKeyName(sha256),
        namespace: namespaceOf(tenant.metadata.name),
        labels: { [labels.tenant]: tenant.metadata.name, [labels.tenantUid]: tenant.metadata.uid ?? '' },
      },
      spec: { displayName: name, keyId: apiKeyId(key) ?? '', sha256, scopes, ...(expiresAt === undefined ? {} : { expiresAt }), createdBy },
    };
    try {
      return { object: await this.#client.create<ApiKey>(kinds.ApiKey, object, { fieldManager }), key };
    } catch (error) {
      if (isNotFound(error)) throw notReady(tenant.metadata.name, error);
      if (!(error instanceof KubeError) || error.status !== 403) throw error;
      // Only the message of a refusal names a quota. The platform may have set a quota below the limit here.
      if (error.message.includes('exceeded quota')) throw limitReached(tenant.metadata.name, error);
      if (/being terminated|status unknown for quota/.test(error.message)) throw notReady(tenant.metadata.name, error);
      throw error;
    }
  }

  /** @throws Problem api-key-not-found */
  async revoke(tenant: Tenant, id: string): Promise<ApiKey> {
    const found = (await this.list(tenant)).find(({ spec }) => spec.keyId === id);
    const { name } = tenant.metadata;
    if (found === undefined) throw new Problem('api-key-not-found', `Tenant ${name} has no API key ${id}.`);
    const { namespace = '', name: object, uid = '' } = found.metadata;
    await this.#client.delete(kinds.ApiKey, object, { namespace, uid });
    return found;
  }

  async #objects({ metadata }: Tenant): Promise<ApiKey[]> {
    return (await this.#client.listAll<ApiKey>(kinds.ApiKey, { namespace: namespaceOf(metadata.name) })).items;
  }

  /** Whether the namespace exists and belongs to this tenant. A deleted tenant of the same name may still have it. */
  async #owns({ metadata }: Tenant): Promise<boolean> {
    const namespace = await this.#client.find<KubeObject>(kinds.Namespace, namespaceOf(metadata.name));
    return namespace !== undefined && namespace.metadata.labels?.[labels.tenantUid] === metadata.uid;
  }
}

function limitReached(name: string, cause?: unknown): Problem {
  const detail = `Tenant ${name} has ${apiKeyLimit} API keys, which is the limit. Expired keys count until they are revoked.`;
  return new Problem('api-key-limit-reached', detail, { cause });
}

function notReady(name: string, cause?: unknown): Problem {
  return new Problem('tenant-not-ready', `Tenant ${name} has no namespace yet. Its condition SecretsReady shows when it has one.`, {
    cause,
  });
}
