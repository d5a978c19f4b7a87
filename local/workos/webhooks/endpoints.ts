import { newIdentifier, newSecret } from '../state/identifiers.ts';
import type { WebhookEndpoint } from '../state/records.ts';
import { notFound, Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import { webhookEvents } from './event-names.ts';

export interface EndpointChange {
  readonly url?: string | undefined;
  readonly events?: readonly string[] | undefined;
  readonly status?: 'enabled' | 'disabled' | undefined;
}

/** Webhook endpoints: their URLs and the events that each receives. https://workos.com/docs/reference/webhooks */
export class WebhookEndpoints {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get #kept(): Environment['webhookEndpoints'] {
    return this.#store.environment.webhookEndpoints;
  }

  create(url: string, events: readonly string[]): WebhookEndpoint {
    const time = new Date().toISOString();
    return this.#keep({
      object: 'webhook_endpoint',
      id: newIdentifier('we'),
      endpoint_url: this.#free(url),
      secret: newSecret(),
      status: 'enabled',
      events: known(events),
      created_at: time,
      updated_at: time,
    });
  }

  all(): WebhookEndpoint[] {
    return Object.values(this.#kept);
  }

  find(id: string): WebhookEndpoint | undefined {
    return this.#kept[id];
  }

  #one(id: string): WebhookEndpoint {
    const found = this.find(id);
    if (found === undefined) throw notFound('Webhook Endpoint', id);
    return found;
  }

  update(id: string, change: EndpointChange): WebhookEndpoint {
    const before = this.#one(id);
    return this.#keep({
      ...before,
      endpoint_url: change.url === undefined ? before.endpoint_url : this.#free(change.url, id),
      events: change.events === undefined ? before.events : known(change.events),
      status: change.status ?? before.status,
      updated_at: new Date().toISOString(),
    });
  }

  #keep(endpoint: WebhookEndpoint): WebhookEndpoint {
    this.#kept[endpoint.id] = endpoint;
    this.#store.save();
    return endpoint;
  }

  /** Checks that a URL is allowed and unused. WorkOS accepts only HTTPS. The stand-in also accepts HTTP on loopback. */
  #free(url: string, owner?: string): string {
    const parsed = URL.parse(url);
    const local = parsed !== null && ['localhost', '127.0.0.1', '[::1]'].includes(parsed.hostname);
    if (parsed === null || !(parsed.protocol === 'https:' || (parsed.protocol === 'http:' && local))) {
      throw new Refusal(422, { code: 'invalid_url', message: 'The endpoint URL must be an HTTPS URL, or an HTTP one of this machine.' });
    }
    if (this.all().some((other) => other.endpoint_url === url && other.id !== owner)) {
      throw new Refusal(409, { code: 'duplicate_endpoint', message: 'A Webhook Endpoint with the same endpoint URL already exists.' });
    }
    return url;
  }
}

function known(events: readonly string[]): readonly string[] {
  const unknown = events.filter((event) => !webhookEvents.has(event));
  if (unknown.length === 0) return events;
  throw new Refusal(422, {
    code: 'invalid_request_parameters',
    message: 'Validation failed.',
    errors: unknown.map((event) => ({ code: 'unknown_event_type', message: `Unknown event type '${event}'.` })),
  });
}
