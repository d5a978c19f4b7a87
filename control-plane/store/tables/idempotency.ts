import type { Generated, JSONColumnType } from 'kysely';

/** An answer as it is stored and given again. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface IdempotencyTables {
  /** Requests with an Idempotency-Key, by caller and key, for a day. */
  idempotency_keys: {
    caller: string;
    key: string;
    request_hash: string;
    /** The attempt that answers, or has answered. */
    attempt: string;
    /** Until when nobody else may try. */
    locked_until: Date;
    answer: JSONColumnType<StoredAnswer> | null;
    created_at: Generated<Date>;
  };
}
