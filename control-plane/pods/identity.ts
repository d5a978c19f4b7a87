import { createHash } from 'node:crypto';
import { labels, pod, tenantOfNamespace } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { Problem } from '../../problems/problem.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import { usernameOf } from '../cluster/token-review.ts';
import { ExpiringCache } from '../concurrency/expiring-cache.ts';
import { challenge } from '../http/bearer.ts';

interface PodTenant {
  readonly name: string;
  /** UID of the Tenant that owns the pod's namespace. */
  readonly uid: string;
}

/** Milliseconds for which a valid token is not reviewed again. The token of a deleted pod works for at most this time. */
const reviewMs = 30_000;

/** Identifies the tenant of a pod from its projected token and its namespace, never from the content of the request. */
export class PodIdentity {
  readonly #client: KubeClient;
  readonly #directory: TenantDirectory;
  readonly #reviews = new ExpiringCache<PodTenant | undefined>();

  constructor(client: KubeClient, directory: TenantDirectory) {
    this.#client = client;
    this.#directory = directory;
  }

  /** @throws Problem `unauthenticated` (401); KubeError when the API server does not answer. */
  async identify(token: string | undefined): Promise<Tenant> {
    if (token === undefined) throw unauthenticated();
    const key = createHash('sha256').update(token).digest('base64url');
    const found = await this.#reviews.get(
      key,
      () => this.#review(token),
      (known) => (known === undefined ? 0 : reviewMs),
    );
    const tenant = found && (await this.#directory.find(found.name));
    if (found === undefined || tenant?.metadata.uid !== found.uid) throw unauthenticated();
    return tenant;
  }

  async #review(token: string): Promise<PodTenant | undefined> {
    const username = await usernameOf(this.#client, token);
    const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username ?? '') ?? [];
    if (namespace === undefined || account !== pod.serviceAccount) return undefined;
    const name = tenantOfNamespace(namespace);
    if (name === undefined) return undefined;
    const object = await this.#client.find<KubeObject>(kinds.Namespace, namespace);
    const uid = object?.metadata.labels?.[labels.tenantUid];
    return uid === undefined ? undefined : { name, uid };
  }
}

function unauthenticated(): Problem {
  return new Problem('unauthenticated', `The projected token of a pod for the audience ${pod.tokenAudience} is required.`, {
    remedy: 'Send the token that is mounted into the pod.',
    headers: { 'www-authenticate': challenge('tenantry-pods') },
  });
}
