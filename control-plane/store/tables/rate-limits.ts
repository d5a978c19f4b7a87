export interface RateLimitTables {
  /** Requests of each caller in its present minute: control-plane/http/shared-limit.ts. */
  readonly rate_limits: {
    /** Name of the limit and caller. */
    readonly key: string;
    readonly points: number;
    /** End of the minute, in milliseconds since the epoch. */
    readonly expire: string;
  };
}
