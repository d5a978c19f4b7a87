import type { FastifyRequest } from 'fastify';
import { pod } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Problem } from '../../problems/problem.ts';
import { TokenReviews } from '../cluster/token-review.ts';
import { challenge } from '../http/bearer.ts';
import type { RateLimits } from '../http/rate-limits.ts';

/** Authenticates the operator by its projected token. */
export class OperatorIdentity {
  readonly account: string;
  readonly #reviews: TokenReviews<true>;

  /** @param account `<namespace>/<name>` of the operator's ServiceAccount. */
  constructor(client: Pick<KubeClient, 'review'>, account: string, limits: RateLimits) {
    this.account = account;
    const operator = `system:serviceaccount:${account.replace('/', ':')}`;
    this.#reviews = new TokenReviews(client, limits, async (username) => (username === operator ? true : undefined));
  }

  /** @throws Problem `unauthenticated` (401), `too-many-requests`; KubeError when the API server cannot be asked. */
  async require(request: FastifyRequest): Promise<void> {
    await this.#reviews.identify(request, () => this.#unauthenticated());
  }

  #unauthenticated(): Problem {
    return new Problem(
      'unauthenticated',
      `A token of the ServiceAccount ${this.account} for the audience ${pod.tokenAudience} is required.`,
      {
        headers: { 'www-authenticate': challenge('tenantry-operator') },
      },
    );
  }
}
