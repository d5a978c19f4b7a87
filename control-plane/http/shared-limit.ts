import type pg from 'pg';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { CircuitBreaker } from '../concurrency/circuit-breaker.ts';

/** The state of a caller after a request was counted. */
export interface Count {
  readonly exceeded: boolean;
  /** Requests that are left in the present minute. */
  readonly remaining: number;
  /** Seconds until the next minute of this caller begins. */
  readonly seconds: number;
}

export interface SharedLimitOptions {
  /** Distinguishes the callers of this limit from those of others. */
  readonly name: string;
  readonly perMinute: number;
  readonly pool: pg.Pool;
  /** Of the database. */
  readonly breaker: CircuitBreaker;
}

/**
 * Limits the requests a minute of each caller. All replicas count together, in PostgreSQL. While the database does not answer, each replica
 * counts alone. A caller above the limit is refused from memory, so that it costs no more statements.
 */
export class SharedLimit {
  readonly perMinute: number;
  readonly #together: RateLimiterPostgres;
  readonly #alone: RateLimiterMemory;
  readonly #breaker: CircuitBreaker;

  constructor({ name, perMinute, pool, breaker }: SharedLimitOptions) {
    const options = { keyPrefix: name, points: perMinute, duration: 60 };
    this.perMinute = perMinute;
    this.#together = new RateLimiterPostgres({
      ...options,
      storeClient: pool,
      storeType: 'pool',
      tableName: 'rate_limits',
      tableCreated: true,
      // The library removes rows an hour late. The store removes them in time.
      clearExpiredByTimeout: false,
      inMemoryBlockOnConsumed: perMinute + 1,
    });
    this.#alone = new RateLimiterMemory(options);
    this.#breaker = breaker;
  }

  async count(caller: string): Promise<Count> {
    const permit = this.#breaker.enter();
    if (permit === undefined) return countIn(this.#alone, caller);
    try {
      const count = await countIn(this.#together, caller);
      permit.succeeded();
      return count;
    } catch {
      permit.failed();
      return countIn(this.#alone, caller);
    }
  }
}

/** @throws errors of the driver. */
async function countIn(limiter: RateLimiterAbstract, caller: string): Promise<Count> {
  const stateOf = ({ remainingPoints, msBeforeNext }: RateLimiterRes) => ({
    remaining: remainingPoints,
    seconds: Math.max(1, Math.ceil(msBeforeNext / 1000)),
  });
  try {
    return { exceeded: false, ...stateOf(await limiter.consume(caller)) };
  } catch (error) {
    if (error instanceof RateLimiterRes) return { exceeded: true, ...stateOf(error) };
    throw error;
  }
}
