import { createHash } from 'node:crypto';
import { type ApiKey, type ApiKeyScope, apiKeyId, apiKeyName, generateApiKey } from '../../crds/api-keys.ts';
import { labels, namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound, KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { fieldManager } from '../field-manager.ts';
import { Problem } from '../http/problem.ts';

export interface NewApiKey {
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** RFC 3339. */
  readonly expiresAt?: string | undefined;
}

/** API keys of tenants, as objects that hold hashes; a key itself is known to nobody but whom it was shown to. */
export class ApiKeys {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** The oldest first. */
  async list(tenant: Tenant): Promise<ApiKey[]> {
    const namespace = namespaceOf(tenant.metadata.name);
    if (!(await this.#owns(tenant))) return [];
    const all: ApiKey[] = [];
    let next: string | undefined;
    do {
      const page = await this.#client.list<ApiKey>(kinds.ApiKey, {
        namespace,
        limit: 500,
        ...(next === undefined ? {} : { continue: next }),
      });
      all.push(...page.items);
      next = page.continue;
    } while (next !== undefined);
    const key = ({ metadata }: ApiKey) => `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
    return all.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  /** @returns the object and the key, which is not kept. @throws Problem tenant-not-ready */
  async create(tenant: Tenant, { name, scopes, expiresAt }: NewApiKey, createdBy: string): Promise<{ object: ApiKey; key: string }> {
    if (!(await this.#owns(tenant))) throw notReady(tenant.metadata.name);
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
      // The namespace is on its way out, or gone.
      if (isNotFound(error) || (error instanceof KubeError && error.status === 403)) throw notReady(tenant.metadata.name, error);
      throw error;
    }
  }

  /** @throws Problem api-key-not-found */
  async revoke(tenant: Tenant, id: string): Promise<ApiKey> {
    const found = (await this.list(tenant)).find(({ spec }) => spec.keyId === id);
    const { name } = tenant.metadata;
    if (found === undefined)
      throw new Problem('api-key-not-found', `${name} has no API key ${id}. GET /admin/tenants/${name}/api-keys lists them.`);
    const { namespace = '', name: object, uid = '' } = found.metadata;
    await this.#client.delete(kinds.ApiKey, object, { namespace, uid });
    return found;
  }

  /** Whether the namespace is there and this tenant's: a namesake deleted before may still hold it. */
  async #owns({ metadata }: Tenant): Promise<boolean> {
    const namespace = await this.#client.find<KubeObject>(kinds.Namespace, namespaceOf(metadata.name));
    return namespace !== undefined && namespace.metadata.labels?.[labels.tenantUid] === metadata.uid;
  }
}

function notReady(name: string, cause?: unknown): Problem {
  return new Problem('tenant-not-ready', `${name} has no namespace yet. Wait until its condition SecretsReady is true.`, { cause });
}
