import { newIdentifier } from './identifiers.ts';
import type { WorkosEvent } from './records.ts';
import type { Store } from './store.ts';

/** An event and its organization. WorkOS can filter events by organization. */
interface Entry {
  readonly event: WorkosEvent;
  readonly organizationId?: string | undefined;
}

export interface EventFilter {
  readonly events?: readonly string[] | undefined;
  readonly organizationId?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly from?: number | undefined;
}

/** Retention of the Events API, in milliseconds. */
const kept = 30 * 86_400_000;

/** Events of the environment during the last 30 days, oldest first. */
export class Events {
  readonly #store: Store;
  readonly #listeners: ((event: WorkosEvent) => void)[] = [];
  #entries: Entry[];

  constructor(store: Store) {
    this.#store = store;
    this.#entries = store.journal<Entry>();
    this.#forgetOld();
    store.replaceJournal(this.#entries);
  }

  /** Records an event. `data` is the changed object in the API's format. */
  emit(name: string, data: object, organizationId?: string): WorkosEvent {
    const event: WorkosEvent = {
      object: 'event',
      id: newIdentifier('event'),
      event: name,
      data: data as Readonly<Record<string, unknown>>,
      created_at: new Date().toISOString(),
    };
    const entry: Entry = { event, ...(organizationId === undefined ? {} : { organizationId }) };
    this.#entries.push(entry);
    this.#store.append(entry);
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  onEvent(listener: (event: WorkosEvent) => void): void {
    this.#listeners.push(listener);
  }

  event(id: string): WorkosEvent | undefined {
    return this.#entries.findLast(({ event }) => event.id === id)?.event;
  }

  list(filter: EventFilter): WorkosEvent[] {
    this.#forgetOld();
    const { events, organizationId, from } = filter;
    return this.#entries
      .filter(
        (entry) =>
          (events === undefined || events.includes(entry.event.event)) &&
          (organizationId === undefined || entry.organizationId === organizationId) &&
          (from === undefined || Date.parse(entry.event.created_at) >= from),
      )
      .map(({ event }) => event);
  }

  #forgetOld(): void {
    const oldest = Date.now() - kept;
    const first = this.#entries.findIndex(({ event }) => Date.parse(event.created_at) >= oldest);
    if (first !== 0) this.#entries = first === -1 ? [] : this.#entries.slice(first);
  }
}
