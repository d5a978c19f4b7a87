/** The rate at which one tenant may send records to one replica. */
export interface IntakeLimitSettings {
  /** Records a minute on average. */
  readonly recordsPerMinute: number;
}

/** Bytes of a request that count as one record. */
const recordBytes = 1024;
/** Burst, in minutes of the rate. At 3,000 a minute it exceeds a full spool, so that a pod catches up after an outage. */
const burstMinutes = 40;
/** Tenants in memory before inactive ones are removed. */
const mostRemembered = 10_000;

interface Credit {
  records: number;
  bytes: number;
  /** Time of this state. */
  at: number;
}

/**
 * Limits the rate at which one tenant's pods write to the shared database. Refused records stay in the sender's spool and are sent later.
 * A tenant that stays above the rate fills its spool, and its sidecar then refuses tool calls.
 */
export class IntakeLimits {
  readonly #perMinute: { readonly records: number; readonly bytes: number };
  readonly #now: () => number;
  readonly #credits = new Map<string, Credit>();

  /** @param now Milliseconds of a monotonic clock. */
  constructor({ recordsPerMinute }: IntakeLimitSettings, now: () => number) {
    this.#perMinute = { records: recordsPerMinute, bytes: recordsPerMinute * recordBytes };
    this.#now = now;
  }

  /** Seconds until the tenant may send again; 0 when it may now. */
  waitSeconds(tenantUid: string): number {
    const { records, bytes } = this.#creditOf(tenantUid);
    const minutes = Math.max(-records / this.#perMinute.records, -bytes / this.#perMinute.bytes);
    return records > 0 && bytes > 0 ? 0 : Math.max(1, Math.ceil(minutes * 60));
  }

  /** Counts sent records, stored or not. A batch may exceed the remaining credit; the next one waits longer. */
  count(tenantUid: string, sent: { readonly records: number; readonly bytes: number }): void {
    const credit = this.#creditOf(tenantUid);
    credit.records -= sent.records;
    credit.bytes -= sent.bytes;
    this.#credits.delete(tenantUid);
    this.#credits.set(tenantUid, credit);
    if (this.#credits.size > mostRemembered) this.#forget();
  }

  #creditOf(tenantUid: string): Credit {
    const { records, bytes } = this.#perMinute;
    const now = this.#now();
    const known = this.#credits.get(tenantUid) ?? { records: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY, at: now };
    const minutes = (now - known.at) / 60_000;
    return {
      records: Math.min(records * burstMinutes, known.records + minutes * records),
      bytes: Math.min(bytes * burstMinutes, known.bytes + minutes * bytes),
      at: now,
    };
  }

  /** Removes tenants that have their full credit again. */
  #forget(): void {
    const since = this.#now() - 2 * burstMinutes * 60_000;
    for (const [tenantUid, { at }] of this.#credits) {
      if (at > since) return;
      this.#credits.delete(tenantUid);
    }
  }
}
