/** What one tenant may send for the audit, at one replica. */
export interface IntakeLimitSettings {
  /** Records a minute, in the long run. */
  readonly recordsPerMinute: number;
}

/** Bytes of a request that count as one record. */
const recordBytes = 1024;
/** Minutes' worth that may come at once: with 3,000 a minute more than a full spool holds, so that a pod catches up after an outage. */
const burstMinutes = 40;
/** Tenants that are remembered before those that have long sent nothing are forgotten. */
const mostRemembered = 10_000;

interface Credit {
  records: number;
  bytes: number;
  /** When that was so. */
  at: number;
}

/**
 * Bounds what one tenant's pods can write into the database of all. What is refused stays in the sender's spool and is sent later; a
 * tenant that goes on faster than this fills its spool, and then its tools are not called.
 */
export class IntakeLimits {
  readonly #perMinute: { readonly records: number; readonly bytes: number };
  readonly #now: () => number;
  readonly #credits = new Map<string, Credit>();

  /** @param now Milliseconds, of a clock that is never set back. */
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

  /** Counts what was sent, kept or not. A batch may go beyond what is left: the next one waits for that. */
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

  /** Those who would have all their credit again are as those who have never sent anything. */
  #forget(): void {
    const since = this.#now() - 2 * burstMinutes * 60_000;
    for (const [tenantUid, { at }] of this.#credits) {
      if (at > since) return;
      this.#credits.delete(tenantUid);
    }
  }
}
