import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { pod } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { kinds } from '../../kube/resources.ts';
import type { Problem } from '../../problems/problem.ts';
import { ExpiringCache } from '../concurrency/expiring-cache.ts';
import { bearerToken } from '../http/bearer.ts';
import { type RateLimits, sourceOf } from '../http/rate-limits.ts';

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string };
  };
}

export interface ReviewTimes {
  /** Milliseconds for which a valid token is not reviewed again. The token of a deleted pod works for at most this time. */
  readonly goodMs: number;
  /** Milliseconds for which an invalid token is refused without another review. */
  readonly badMs: number;
}

export const reviewTimes: ReviewTimes = { goodMs: 30_000, badMs: 10_000 };

/**
 * Identifies the account behind the projected token of a request. Answers are cached, so that Kubernetes is rarely asked. Invalid tokens have
 * a cache of their own, so that they evict no valid ones. An address that sends too many invalid tokens has no more of them reviewed for a while.
 */
export class TokenReviews<T> {
  readonly #client: Pick<KubeClient, 'review'>;
  readonly #limits: Pick<RateLimits, 'refusedPod'>;
  readonly #find: (username: string) => Promise<T | undefined>;
  readonly #times: ReviewTimes;
  readonly #good = new ExpiringCache<T | undefined>();
  readonly #bad = new ExpiringCache<T | undefined>();
  /** Addresses whose unknown tokens are not reviewed for now, each with the answer they get. */
  readonly #limitedSources = new ExpiringCache<Problem>();

  /** @param find maps an account to its owner; undefined refuses the account. */
  constructor(
    client: Pick<KubeClient, 'review'>,
    limits: Pick<RateLimits, 'refusedPod'>,
    find: (username: string) => Promise<T | undefined>,
    times: ReviewTimes = reviewTimes,
  ) {
    this.#client = client;
    this.#limits = limits;
    this.#find = find;
    this.#times = times;
  }

  /** @throws the problem of `refusal`; Problem too-many-requests; KubeError when the API server does not answer. */
  async identify(request: FastifyRequest, refusal: () => Problem): Promise<T> {
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) throw refusal();
    const { goodMs, badMs } = this.#times;
    const key = createHash('sha256').update(token).digest('base64url');
    const review = async (): Promise<T | undefined> => {
      const limited = this.#limitedSources.fresh(sourceOf(request));
      if (limited !== undefined) throw limited;
      return this.#review(token);
    };
    const reviewUnlessKnown = (): Promise<T | undefined> => this.#bad.get(key, review, (known) => (known === undefined ? badMs : 0));
    const found = await this.#good.get(key, reviewUnlessKnown, (known) => (known === undefined ? 0 : goodMs));
    if (found !== undefined) return found;
    const tooMany = await this.#limits.refusedPod(request);
    if (tooMany !== undefined) this.#limitedSources.put(sourceOf(request), tooMany, Number(tooMany.headers['retry-after']) * 1000);
    throw tooMany ?? refusal();
  }

  async #review(token: string): Promise<T | undefined> {
    const { status } = await this.#client.review<TokenReview>(kinds.TokenReview, {
      metadata: {},
      spec: { token, audiences: [pod.tokenAudience] },
    });
    const isGood = status?.authenticated === true && status.audiences?.includes(pod.tokenAudience);
    return isGood && status.user?.username !== undefined ? this.#find(status.user.username) : undefined;
  }
}
