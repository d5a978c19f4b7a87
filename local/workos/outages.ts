/**
 * What can be made to fail: everything, the Events API alone, or the delivery of webhooks alone; `slow` answers everything after 30 s, and
 * `limited` refuses every request of the API with 429.
 */
export const outageKinds = ['down', 'events', 'webhooks', 'slow', 'limited'] as const;
export type OutageKind = (typeof outageKinds)[number];

/** Failures that a test, or a person trying things, has asked for. Each ends by itself; a restart ends them all. */
export class Outages {
  readonly #ends = new Map<OutageKind, number>();

  /** Zero seconds end one early. */
  begin(kind: OutageKind, seconds: number): void {
    this.#ends.set(kind, Date.now() + seconds * 1000);
  }

  /** When what `kind` names works again, in milliseconds since the epoch; undefined while it works. */
  endOf(kind: OutageKind): number | undefined {
    const whole = kind === 'events' || kind === 'webhooks' ? (this.#ends.get('down') ?? 0) : 0;
    const end = Math.max(this.#ends.get(kind) ?? 0, whole);
    return end > Date.now() ? end : undefined;
  }
}
