import type { FastifyReply, FastifyRequest } from 'fastify';
import ipaddr from 'ipaddr.js';
import { Problem } from '../../problems/problem.ts';
import { CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import type { Store } from '../store/store.ts';
import { type Count, SharedLimit } from './shared-limit.ts';

export interface RateLimitSettings {
  /** Requests a minute of one administrator, or of one user of `GET /v1/auth/tenant`. */
  readonly perAdmin: number;
  /** Requests a minute with refused tokens from one address. */
  readonly perAddress: number;
}

const refusedTokens = 'from your address with tokens that are refused';

/**
 * Limits the requests of each administrator, of each user of `GET /v1/auth/tenant`, and of each address that sends refused tokens. A valid
 * token is never refused because of its address: behind a gateway, many callers share one address. All replicas count together.
 */
export class RateLimits {
  readonly #callers: SharedLimit;
  readonly #addresses: SharedLimit;
  readonly #pods: SharedLimit;

  constructor({ perAdmin, perAddress }: RateLimitSettings, store: Pick<Store, 'counters'>) {
    const shared = { pool: store.counters, breaker: new CircuitBreaker({ now: () => performance.now(), random: Math.random }) };
    this.#callers = new SharedLimit({ ...shared, name: 'caller', perMinute: perAdmin });
    this.#addresses = new SharedLimit({ ...shared, name: 'address', perMinute: perAddress });
    this.#pods = new SharedLimit({ ...shared, name: 'pod', perMinute: perAddress });
  }

  /** Counts a refused token. @throws Problem too-many-requests */
  async refused({ ip }: FastifyRequest): Promise<void> {
    const count = await this.#addresses.count(networkOf(ip));
    if (count.exceeded) throw tooMany(this.#addresses, count, refusedTokens);
  }

  /** Counts a refused token of a pod or of the operator. @returns Problem too-many-requests, if there were too many from its address. */
  async refusedPod(request: FastifyRequest): Promise<Problem | undefined> {
    const count = await this.#pods.count(sourceOf(request));
    return count.exceeded ? tooMany(this.#pods, count, refusedTokens) : undefined;
  }

  /** Counts a request of an authenticated caller and sets the RateLimit headers. @throws Problem too-many-requests */
  async count(reply: FastifyReply, caller: string): Promise<void> {
    const count = await this.#callers.count(caller);
    reply.headers(headersOf(this.#callers, count));
    if (count.exceeded) throw tooMany(this.#callers, count, 'of yours');
  }
}

/** Address of the connection. Pods call directly, and any of them could claim another address by X-Forwarded-For. */
export const sourceOf = ({ socket }: FastifyRequest): string => socket.remoteAddress ?? '';

/**
 * An IPv4 address, or the /64 network of an IPv6 address, which belongs to one site and has more addresses than anybody can count. A proxy may
 * pass on other text than an address. All such text counts as one network.
 */
export function networkOf(ip: string): string {
  if (!ipaddr.isValid(ip)) return 'unknown';
  const address = ipaddr.process(ip);
  const bytes = address.toByteArray();
  return address.kind() === 'ipv4' ? address.toString() : ipaddr.fromByteArray([...bytes.slice(0, 8), ...Array(8).fill(0)]).toString();
}

function headersOf({ perMinute }: SharedLimit, { remaining, seconds }: Count): Record<string, string> {
  return { 'ratelimit-limit': String(perMinute), 'ratelimit-remaining': String(remaining), 'ratelimit-reset': String(seconds) };
}

function tooMany(limit: SharedLimit, count: Count, whose: string): Problem {
  return new Problem('too-many-requests', `More than ${limit.perMinute} requests a minute were sent ${whose}.`, {
    remedy: `Wait ${count.seconds} s, then repeat the request.`,
    headers: { ...headersOf(limit, count), 'retry-after': String(count.seconds) },
  });
}
