/**
 * Kinds of simulated outages. `down` fails everything, `events` only the Events API, and `webhooks` only the delivery of webhooks.
 * `slow` answers everything after 30 s. `limited` refuses every request of the API with 429.
 */
export const outageKinds = ['down', 'events', 'webhooks', 'slow', 'limited'] as const;
export type OutageKind = (typeof outageKinds)[number];

/** Outages that a test or a user has requested. Each ends by itself. A restart ends all of them. */
export class Outages {
  readonly #ends = new Map<OutageKind, number>();

  /** Begins an outage. Zero seconds end it early. */
  begin(kind: OutageKind, seconds: number): void {
    this.#ends.set(kind, Date.now() + seconds * 1000);
  }

  /** End of the outage, in milliseconds since the epoch. Undefined without an outage. */
  endOf(kind: OutageKind): number | undefined {
    const whole = kind === 'events' || kind === 'webhooks' ? (this.#ends.get('down') ?? 0) : 0;
    const end = Math.max(this.#ends.get(kind) ?? 0, whole);
    return end > Date.now() ? end : undefined;
  }
}
