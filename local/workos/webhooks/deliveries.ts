import { createHmac } from 'node:crypto';
import { backoffMs } from '../../../net/backoff.ts';
import type { Events } from '../state/events.ts';
import type { Outages } from '../state/outages.ts';
import type { WebhookEndpoint, WorkosEvent } from '../state/records.ts';
import type { Store } from '../state/store.ts';
import type { Vault } from '../state/vault.ts';
import type { WebhookEndpoints } from './endpoints.ts';

interface Delivery {
  readonly endpointId: string;
  readonly eventId: string;
  /** Number of attempts so far. */
  readonly attempts: number;
  /** Time of the next attempt, in milliseconds since the epoch. */
  readonly next: number;
}

export interface DeliveryOptions {
  /** Milliseconds before the first retry. Each further pause doubles, up to five minutes. */
  readonly retryMs: number;
}

/** Maximum number of attempts for an event. WorkOS spreads its attempts over three days. */
const maxAttempts = 12;
/** Interval of checks for the end of an outage, in milliseconds. */
const lookAgainMs = 500;
const atOnce = 20;
const longestPauseMs = 300_000;
/** Time limit of a receiver's answer, in milliseconds. */
const answerWithinMs = 5_000;
/** Seconds that a waiting delivery is kept. Each retry starts them again. */
const keptSeconds = 3 * 86_400;

/**
 * Sends each event, signed, to the endpoints that subscribe to it. Retries with growing pauses until the answer is 2xx.
 * As at WorkOS, the order is undefined, and an event may arrive more than once.
 */
export class Deliveries {
  readonly #store: Store;
  readonly #vault: Vault;
  readonly #endpoints: WebhookEndpoints;
  readonly #events: Events;
  readonly #outages: Outages;
  readonly #options: DeliveryOptions;
  readonly #waiting: (() => void)[] = [];
  #sending = 0;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #closing = new AbortController();

  constructor(
    parts: { store: Store; vault: Vault; endpoints: WebhookEndpoints; events: Events; outages: Outages },
    options: DeliveryOptions,
  ) {
    this.#store = parts.store;
    this.#vault = parts.vault;
    this.#endpoints = parts.endpoints;
    this.#events = parts.events;
    this.#outages = parts.outages;
    this.#options = options;
    for (const key of this.#vault.keys('delivery:')) {
      const delivery = this.#vault.get<Delivery>(key);
      if (delivery !== undefined) this.#schedule(delivery);
    }
    this.#events.onEvent((event) => this.#take(event));
  }

  close(): void {
    this.#closing.abort();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #take(event: WorkosEvent): void {
    for (const { id, status, events } of this.#endpoints.all()) {
      if (status !== 'enabled' || !events.includes(event.event)) continue;
      this.#schedule({ endpointId: id, eventId: event.id, attempts: 0, next: Date.now() });
    }
  }

  #schedule(delivery: Delivery): void {
    this.#vault.put(keyOf(delivery), delivery, keptSeconds);
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        void this.#attempt(delivery);
      },
      Math.max(0, delivery.next - Date.now()),
    );
    this.#timers.add(timer);
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const end = this.#outages.endOf('webhooks');
    if (end !== undefined) return this.#schedule({ ...delivery, next: Math.min(end, Date.now() + lookAgainMs) });
    const endpoint = this.#endpoints.find(delivery.endpointId);
    const event = this.#events.event(delivery.eventId);
    if (endpoint?.status === 'enabled' && event !== undefined && !(await this.#send(endpoint, event))) {
      if (this.#closing.signal.aborted) return;
      const attempts = delivery.attempts + 1;
      const pause = backoffMs({ firstMs: this.#options.retryMs, maxMs: longestPauseMs }, attempts);
      if (attempts < maxAttempts) return this.#schedule({ ...delivery, attempts, next: Date.now() + pause });
    }
    this.#vault.delete(keyOf(delivery));
  }

  /** Sends the event. Resolves with true when the receiver accepted it. */
  async #send(endpoint: WebhookEndpoint, event: WorkosEvent): Promise<boolean> {
    if (this.#sending >= atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#sending++;
    try {
      return await this.#post(endpoint, event);
    } finally {
      // The next waiting delivery takes the slot.
      const next = this.#waiting.shift();
      if (next === undefined) this.#sending--;
      else next();
    }
  }

  async #post(endpoint: WebhookEndpoint, event: WorkosEvent): Promise<boolean> {
    const body = JSON.stringify(event);
    const time = Date.now();
    const signature = createHmac('sha256', endpoint.secret).update(`${time}.${body}`).digest('hex');
    try {
      // The change is stored before its event is sent, because a crash could undo it.
      await this.#store.saved();
      const response = await fetch(endpoint.endpoint_url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'workos-signature': `t=${time}, v1=${signature}` },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(answerWithinMs)]),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }
}

const keyOf = ({ endpointId, eventId }: Delivery): string => `delivery:${endpointId}:${eventId}`;
