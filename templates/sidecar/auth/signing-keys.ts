import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** Soonest another fetch for a key that is not known, so that forged key ids cannot make every request one to the control plane. */
export const refetchMs = 10_000;

export interface SigningKeysOptions {
  readonly fetch: () => Promise<{ jwks: JSONWebKeySet; maxAgeSeconds: number }>;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

interface Fetched {
  readonly keys: ReturnType<typeof createLocalJWKSet>;
  readonly fetchedAt: number;
  readonly expiresAt: number;
}

/** The authorization server's keys, kept as long as the control plane allows and fetched early for a key id that is not among them. */
export class SigningKeys {
  readonly #fetch: SigningKeysOptions['fetch'];
  readonly #now: () => number;
  #fetched: Fetched | undefined;
  #fetching: Promise<Fetched> | undefined;

  constructor(options: SigningKeysOptions) {
    this.#fetch = options.fetch;
    this.#now = options.now ?? (() => performance.now());
  }

  /** For jose's jwtVerify. Rejects with the error of `fetch` when it has no usable keys. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const fetched = this.#fetched !== undefined && this.#now() < this.#fetched.expiresAt ? this.#fetched : await this.#refresh();
    try {
      return await fetched.keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.#now() - fetched.fetchedAt < refetchMs) throw error;
    }
    return await (await this.#refresh()).keys(header, token);
  };

  #refresh(): Promise<Fetched> {
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<Fetched> {
    const { jwks, maxAgeSeconds } = await this.#fetch();
    const fetchedAt = this.#now();
    this.#fetched = { keys: createLocalJWKSet(jwks), fetchedAt, expiresAt: fetchedAt + maxAgeSeconds * 1000 };
    return this.#fetched;
  }
}
