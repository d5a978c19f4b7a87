import type { CreateRateLimitOptions } from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../../problems/problem.ts';

export interface RateLimitSettings {
  /** Requests a minute at one replica, for one administrator or for one user of `GET /v1/auth/tenant`. */
  readonly perAdmin: number;
  /** Requests a minute at one replica, with refused tokens from one address. */
  readonly perAddress: number;
}

type Limiter = ReturnType<FastifyRequest['server']['createRateLimit']>;
type Outcome = Extract<Awaited<ReturnType<Limiter>>, { isAllowed: false }>;

const windowMs = 60_000;
const refusedTokens = 'from your address with tokens that are refused';

/**
 * Limits the requests of each administrator, of each user of `GET /v1/auth/tenant`, and of each address that sends refused tokens. A valid
 * token is never refused because of its address: behind a gateway, many callers share one address. Each replica counts separately.
 */
export class RateLimits {
  readonly #settings: RateLimitSettings;
  readonly #limiters = new Map<string, Limiter>();
  /** The caller of each authenticated request. */
  readonly #names = new WeakMap<FastifyRequest, string>();

  constructor(settings: RateLimitSettings) {
    this.#settings = settings;
  }

  /** Counts a refused token. @throws Problem too-many-requests */
  async refused(request: FastifyRequest): Promise<void> {
    const outcome = await this.#address(request)(request);
    if (!outcome.isAllowed && outcome.isExceeded) throw tooMany(outcome, refusedTokens);
  }

  /** Counts a refused token of a pod or of the operator. @returns Problem too-many-requests, if there were too many from its address. */
  async refusedPod(request: FastifyRequest): Promise<Problem | undefined> {
    const options = { max: this.#settings.perAddress, timeWindow: windowMs, keyGenerator: sourceOf };
    const outcome = await this.#limiter(request, 'pod', options)(request);
    return !outcome.isAllowed && outcome.isExceeded ? tooMany(outcome, refusedTokens) : undefined;
  }

  /** Counts a request of an authenticated caller and sets the RateLimit headers. @throws Problem too-many-requests */
  async count(request: FastifyRequest, reply: FastifyReply, admin: string): Promise<void> {
    const keyGenerator = (one: FastifyRequest): string => this.#names.get(one) ?? '';
    this.#names.set(request, admin);
    const outcome = await this.#limiter(request, 'admin', { max: this.#settings.perAdmin, timeWindow: windowMs, keyGenerator })(request);
    if (outcome.isAllowed) return;
    reply.headers(headersOf(outcome));
    if (outcome.isExceeded) throw tooMany(outcome, 'of yours');
  }

  #address(request: FastifyRequest): Limiter {
    return this.#limiter(request, 'address', { max: this.#settings.perAddress, timeWindow: windowMs });
  }

  #limiter({ server }: FastifyRequest, name: string, options: CreateRateLimitOptions): Limiter {
    const known = this.#limiters.get(name);
    if (known !== undefined) return known;
    const made = server.createRateLimit(options);
    this.#limiters.set(name, made);
    return made;
  }
}

/** Address of the connection. Pods call directly, and any of them could claim another address by X-Forwarded-For. */
export const sourceOf = ({ socket }: FastifyRequest): string => socket.remoteAddress ?? '';

function headersOf({ max, remaining, ttlInSeconds }: Outcome): Record<string, string> {
  return { 'ratelimit-limit': String(max), 'ratelimit-remaining': String(remaining), 'ratelimit-reset': String(ttlInSeconds) };
}

function tooMany(outcome: Outcome, whose: string): Problem {
  const { max, ttlInSeconds } = outcome;
  return new Problem('too-many-requests', `More than ${max} requests a minute were sent ${whose}.`, {
    remedy: `Wait ${ttlInSeconds} s, then repeat the request.`,
    headers: { ...headersOf(outcome), 'retry-after': String(ttlInSeconds) },
  });
}
