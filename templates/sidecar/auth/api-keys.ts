import { createHash, timingSafeEqual } from 'node:crypto';
import type { ApiKeyRecord } from '../../../crds/api-keys.ts';
import { Refusal } from '../http/refusal.ts';
import { WatchedFile } from '../http/watched-file.ts';

export const apiKeyPrefix = 'tnt_';

interface KnownKey {
  readonly id: string;
  readonly hash: Buffer;
  /** Such as `mcp`, `mcp:read`, `api`, `api:read` and `probe`; one that is not known here grants nothing. */
  readonly scopes: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The tenant's API keys, of which the pod knows hashes alone. */
export class ApiKeys {
  readonly #file: WatchedFile<readonly KnownKey[]> | undefined;
  readonly #now: () => number;

  /** @param path File with a JSON array of {@link ApiKeyRecord}; without one no key is valid. */
  constructor(path: string | undefined, now: () => number = Date.now) {
    this.#file = path === undefined ? undefined : new WatchedFile(path, parseKeys);
    this.#now = now;
  }

  /** @throws {Refusal} unknown_key, expired; unavailable when the file cannot be read. */
  async verify(key: string): Promise<{ id: string; scopes: readonly string[] }> {
    const keys = await this.#read();
    const hash = createHash('sha256').update(key).digest();
    // Every key is compared, in constant time, so that the answer's time tells nothing about how far a guess came.
    let found: KnownKey | undefined;
    for (const known of keys) if (timingSafeEqual(known.hash, hash)) found = known;
    if (found === undefined) throw new Refusal('unknown_key', 'This API key is not valid for this tenant.');
    if (found.expiresAt <= this.#now()) throw new Refusal('expired', 'This API key has expired. Ask for a new one.');
    return { id: found.id, scopes: found.scopes };
  }

  async #read(): Promise<readonly KnownKey[]> {
    try {
      return (await this.#file?.current()) ?? [];
    } catch (cause) {
      throw new Refusal('unavailable', 'API keys cannot be checked at the moment. Try again in a few seconds.', {
        retryAfterSeconds: 2,
        cause,
      });
    }
  }
}

function parseKeys(text: string): readonly KnownKey[] {
  const records: readonly ApiKeyRecord[] = JSON.parse(text);
  return records.map(({ id, sha256, scopes, expiresAt }) => {
    const hash = Buffer.from(sha256, 'hex');
    const time = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
    if (hash.length !== 32 || Number.isNaN(time)) throw new Error(`record of API key ${id} is not valid`);
    return { id, hash, scopes, expiresAt: time };
  });
}
