import type { Changed } from './changed.ts';

interface Entry<T> {
  readonly value: T;
  readonly until: number;
}

/** Answers of this replica, by organization and user. Each is dropped when it is old, or when somebody tells that it may have changed. */
export class Answers<T> {
  readonly #organizations = new Map<string, Map<string, Entry<T>>>();
  readonly #maxEntries: number;
  readonly #now: () => number;
  #size = 0;
  /** Grows with every dropping, so that an answer read before one is not remembered after it. */
  #drops = 0;

  /** @param now milliseconds, of any origin. */
  constructor(options: { readonly maxEntries: number; readonly now: () => number }) {
    this.#maxEntries = options.maxEntries;
    this.#now = options.now;
  }

  get(organizationId: string, userId: string): T | undefined {
    const entry = this.#organizations.get(organizationId)?.get(userId);
    return entry !== undefined && entry.until > this.#now() ? entry.value : undefined;
  }

  /** To be called before an answer is looked up; its result goes to `put`. */
  begin(): number {
    return this.#drops;
  }

  /** Remembers an answer until `until`, unless any were dropped since `begun`. */
  put(organizationId: string, userId: string, value: T, until: number, begun: number): void {
    if (begun !== this.#drops) return;
    if (this.#size >= this.#maxEntries) this.#forget();
    const users = this.#organizations.get(organizationId) ?? new Map<string, Entry<T>>();
    this.#organizations.set(organizationId, users);
    if (!users.has(userId)) this.#size++;
    users.set(userId, { value, until });
  }

  drop({ organizationId, userId }: Changed): void {
    this.#drops++;
    const organizations = organizationId === undefined ? [...this.#organizations.keys()] : [organizationId];
    for (const id of organizations) {
      const users = this.#organizations.get(id);
      if (users === undefined) continue;
      if (userId === undefined) {
        this.#size -= users.size;
        users.clear();
      } else if (users.delete(userId)) this.#size--;
      if (users.size === 0) this.#organizations.delete(id);
    }
  }

  dropAll(): void {
    this.#drops++;
    this.#organizations.clear();
    this.#size = 0;
  }

  /** Makes room: what has ended goes, or all if that is not enough. They are good for seconds and cheap to have again. */
  #forget(): void {
    const now = this.#now();
    for (const [id, users] of this.#organizations) {
      for (const [user, { until }] of users) if (until <= now && users.delete(user)) this.#size--;
      if (users.size === 0) this.#organizations.delete(id);
    }
    if (this.#size >= this.#maxEntries) this.dropAll();
  }
}
