/** Delays between attempts at something that fails, doubled after each failure. */
export interface Backoff {
  /** Delay after the first failure, in milliseconds. */
  readonly firstMs: number;
  /** Longest delay, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Milliseconds to wait before the next attempt. Callers that return to one receiver from many processes add randomness themselves.
 * @param failures Failures without a success between them, the last one included.
 */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.max(0, failures - 1));
}
