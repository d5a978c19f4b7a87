import { setTimeout as delay } from 'node:timers/promises';
import { RateLimitExceededException, WorkOS } from '@workos-inc/node';
import { CircuitBreaker } from '../concurrency/circuit-breaker.ts';

export interface ConnectionOptions {
  readonly apiKey: string;
  readonly clientId: string;
  /** Origin of the API. */
  readonly apiUrl: string;
  /** Called after each request to WorkOS. */
  readonly observe?: (operation: string, outcome: 'ok' | 'refused' | 'unavailable') => void;
}

/** WorkOS did not answer or refused this installation's API key. The error has no data of the request. */
export class ProviderUnavailable extends Error {
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;

  constructor(operation: string, status: number | undefined, options: { cause?: unknown } = {}) {
    super(`${descriptionOf(status)}; ${operation}`, options);
    this.status = status;
  }
}

function descriptionOf(status: number | undefined): string {
  if (status === 401 || status === 403) return `WorkOS refused the API key (HTTP ${status}): correct WORKOS_API_KEY`;
  if (status === 429) return 'WorkOS limits requests now (HTTP 429)';
  return `WorkOS ${status === undefined ? 'did not answer' : `answered HTTP ${status}`}`;
}

/**
 * Time limits of requests. The SDK's three retries are off: they take six seconds against a host that is down, and they wait up to a minute
 * for a Retry-After, while a tenant's user waits for an answer. Instead, a read that fails at once is sent once more, for example when the
 * server has closed a kept connection. The longest wait is 1 s + 0.2 s + 4 s. Background work has its own back-off.
 */
const timeoutMs = 4_000;
const quickMs = 1_000;
const retryPauseMs = 200;

/** Sends requests to WorkOS with its SDK. Every failure is a ProviderUnavailable. Circuit breakers spare WorkOS during an outage. */
export class WorkosConnection {
  readonly sdk: WorkOS;
  readonly #clientId: string;
  readonly #observe: NonNullable<ConnectionOptions['observe']>;
  /** By operation, because a failing operation says nothing about the others. */
  readonly #gates = new Map<string, CircuitBreaker>();

  constructor(options: ConnectionOptions) {
    const url = new URL(options.apiUrl);
    const https = url.protocol === 'https:';
    this.#clientId = options.clientId;
    this.#observe = options.observe ?? (() => {});
    this.sdk = new WorkOS(options.apiKey, {
      clientId: options.clientId,
      apiHostname: url.hostname,
      https,
      port: Number(url.port) || (https ? 443 : 80),
      maxRetries: 0,
      timeout: timeoutMs,
    });
  }

  /** Keys of session access tokens. */
  get sessionKeysUrl(): URL {
    return new URL(this.sdk.userManagement.getJwksUrl(this.#clientId));
  }

  /** Sends a request that changes nothing. @throws ProviderUnavailable */
  read<T>(operation: string, request: (sdk: WorkOS) => Promise<T>): Promise<T> {
    return this.#send(operation, async () => {
      const begun = performance.now();
      try {
        return await request(this.sdk);
      } catch (error) {
        if (!isTransient(error) || performance.now() - begun > quickMs) throw error;
        await delay(retryPauseMs * (0.5 + Math.random() / 2));
        return request(this.sdk);
      }
    });
  }

  /** Sends a request that may change something, once. @throws ProviderUnavailable */
  write<T>(operation: string, request: (sdk: WorkOS) => Promise<T>): Promise<T> {
    return this.#send(operation, () => request(this.sdk));
  }

  async #send<T>(operation: string, request: () => Promise<T>): Promise<T> {
    const permit = this.#gateOf(operation).enter();
    if (permit === undefined) throw new ProviderUnavailable(operation, undefined);
    try {
      const answer = await request();
      permit.succeeded();
      this.#observe(operation, 'ok');
      return answer;
    } catch (error) {
      const status = statusOf(error);
      const refused = status !== undefined && status < 500 && status !== 429;
      if (refused) permit.succeeded();
      else permit.failed(retryAfterMs(error));
      this.#observe(operation, refused ? 'refused' : 'unavailable');
      throw new ProviderUnavailable(operation, status, { cause: withoutBody(error) });
    }
  }

  #gateOf(operation: string): CircuitBreaker {
    const known = this.#gates.get(operation);
    if (known !== undefined) return known;
    const gate = new CircuitBreaker({ now: () => performance.now(), random: Math.random });
    this.#gates.set(operation, gate);
    return gate;
  }
}

/** HTTP status of an error of the SDK. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : undefined;
}

/** Whether WorkOS understood and refused the request, so that a repetition does not help. */
export function isRefusal(error: unknown): error is ProviderUnavailable {
  return error instanceof ProviderUnavailable && [400, 404, 409, 422].includes(error.status ?? 0);
}

/** WorkOS's error code. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether the same request may succeed a moment later: there was no answer, or WorkOS itself failed. */
function isTransient(error: unknown): boolean {
  const status = statusOf(error);
  return status === undefined || status >= 500;
}

/** Pause that WorkOS asks for, in milliseconds. Its limit holds for the environment, and more requests would prolong the pause. */
function retryAfterMs(error: unknown): number {
  return error instanceof RateLimitExceededException ? (error.retryAfter ?? 0) * 1000 : 0;
}

/** Name and message of an error, for the log. The SDK's errors also have answers, which may contain personal data. */
function withoutBody(error: unknown): Error {
  return new Error(error instanceof Error ? `${error.name}: ${error.message}` : 'unknown');
}
