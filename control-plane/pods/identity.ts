import type { FastifyRequest } from 'fastify';
import { labels, pod, tenantOfNamespace } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { Problem } from '../../problems/problem.ts';
import type { TenantDirectory } from '../cluster/tenant-directory.ts';
import { TokenReviews } from '../cluster/token-review.ts';
import { challenge } from '../http/bearer.ts';
import type { RateLimits } from '../http/rate-limits.ts';

interface PodTenant {
  readonly name: string;
  /** UID of the Tenant that owns the pod's namespace. */
  readonly uid: string;
}

/** Identifies the tenant of a pod from its projected token and its namespace, never from the content of the request. */
export class PodIdentity {
  readonly #client: Pick<KubeClient, 'find'>;
  readonly #directory: TenantDirectory;
  readonly #reviews: TokenReviews<PodTenant>;

  constructor(client: KubeClient, directory: TenantDirectory, limits: RateLimits) {
    this.#client = client;
    this.#directory = directory;
    this.#reviews = new TokenReviews(client, limits, (username) => this.#tenantOf(username));
  }

  /** @throws Problem `unauthenticated` (401) or `too-many-requests` (429); KubeError when the API server does not answer. */
  async identify(request: FastifyRequest): Promise<Tenant> {
    const found = await this.#reviews.identify(request, unauthenticated);
    const tenant = await this.#directory.find(found.name);
    if (tenant?.metadata.uid !== found.uid) throw unauthenticated();
    return tenant;
  }

  async #tenantOf(username: string): Promise<PodTenant | undefined> {
    const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
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
