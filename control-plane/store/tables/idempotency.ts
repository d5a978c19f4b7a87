import type { Generated, JSONColumnType } from 'kysely';

/** A stored answer, which repetitions get. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface IdempotencyTables {
  /** Requests with an Idempotency-Key, by caller and key. They are kept for a day. */
  idempotency_keys: {
    caller: string;
    key: string;
    request_hash: string;
    /** The attempt with the claim or the answer. */
    attempt: string;
    /** Expiry of the claim. Other attempts may take over after it. */
    locked_until: Date;
    answer: JSONColumnType<StoredAnswer> | null;
    created_at: Generated<Date>;
  };
}
