import { createHash } from 'node:crypto';
import { pod } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Problem } from '../../problems/problem.ts';
import { usernameOf } from '../cluster/token-review.ts';
import { ExpiringCache } from '../concurrency/expiring-cache.ts';
import { challenge } from '../http/bearer.ts';

/** Milliseconds for which a valid token is not reviewed again. */
const reviewMs = 30_000;

/** Authenticates the operator by its projected token. */
export class OperatorIdentity {
  readonly account: string;
  readonly #client: Pick<KubeClient, 'review'>;
  readonly #reviews = new ExpiringCache<boolean>();

  /** @param account `<namespace>/<name>` of the operator's ServiceAccount. */
  constructor(client: Pick<KubeClient, 'review'>, account: string) {
    this.#client = client;
    this.account = account;
  }

  /** @throws Problem `unauthenticated` (401); KubeError when the API server is unavailable. */
  async require(token: string | undefined): Promise<void> {
    if (token === undefined) throw this.#unauthenticated();
    const key = createHash('sha256').update(token).digest('base64url');
    const isOperator = await this.#reviews.get(
      key,
      () => this.#review(token),
      (known) => (known ? reviewMs : 0),
    );
    if (!isOperator) throw this.#unauthenticated();
  }

  async #review(token: string): Promise<boolean> {
    return (await usernameOf(this.#client, token)) === `system:serviceaccount:${this.account.replace('/', ':')}`;
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
