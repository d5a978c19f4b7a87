import { z } from 'zod';
import { ExpiringCache } from '../concurrency/expiring-cache.ts';
import { ProviderUnavailable } from './provider.ts';

const keySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });
export type KeySet = z.infer<typeof keySet>;

const freshMs = 60_000;
/** Pause after a failed read, in milliseconds. Older keys are used meanwhile. */
const pauseMs = 5_000;

/** The public keys of the AuthKit domain, for pods, which cannot reach the internet. */
export class OAuthKeys {
  readonly #url: string;
  readonly #cache = new ExpiringCache<KeySet>();
  /** Monotonic milliseconds until which the last keys are used without a request. */
  #pausedUntil = 0;

  constructor(issuer: string) {
    this.#url = `${issuer}/oauth2/jwks`;
  }

  /** The key set, at most a minute old. While the domain does not answer, older keys are used: keys change rarely. */
  async current(): Promise<KeySet> {
    const known = this.#cache.last(this.#url);
    if (known !== undefined && performance.now() < this.#pausedUntil) return known;
    try {
      return await this.#cache.get(
        this.#url,
        () => this.#fetch(),
        () => freshMs,
      );
    } catch (error) {
      const last = this.#cache.last(this.#url);
      if (last === undefined) throw error;
      this.#pausedUntil = performance.now() + pauseMs;
      return last;
    }
  }

  async #fetch(): Promise<KeySet> {
    const operation = 'reading the OAuth keys';
    const response = await fetch(this.#url, { signal: AbortSignal.timeout(5_000), redirect: 'error' }).catch((cause: unknown) => {
      throw new ProviderUnavailable(operation, undefined, { cause });
    });
    const body = keySet.safeParse(await response.json().catch(() => undefined));
    if (!response.ok || !body.success) throw new ProviderUnavailable(operation, response.status);
    return body.data;
  }
}
