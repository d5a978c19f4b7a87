import type { Changed } from './changed.ts';

interface Entry<T> {
  readonly value: T;
  readonly until: number;
}

/** Cached answers of this replica, by organization and user. An answer is dropped when it expires or when its membership may have changed. */
export class MembershipCache<T> {
  readonly #organizations = new Map<string, Map<string, Entry<T>>>();
  readonly #maxEntries: number;
  readonly #now: () => number;
  #size = 0;
  /** Increases with every drop, so that an answer that was read before a drop is not cached after it. */
  #drops = 0;

  /** @param now milliseconds of a monotonic clock. */
  constructor(options: { readonly maxEntries: number; readonly now: () => number }) {
    this.#maxEntries = options.maxEntries;
    this.#now = options.now;
  }

  get(organizationId: string, userId: string): T | undefined {
    const entry = this.#organizations.get(organizationId)?.get(userId);
    return entry !== undefined && entry.until > this.#now() ? entry.value : undefined;
  }

  /** Call it before an answer is looked up, and pass its result to `put`. */
  begin(): number {
    return this.#drops;
  }

  /** Caches an answer until `until`, unless answers were dropped since `begun`. */
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

  /** Removes expired answers, or all if that is not enough. Answers last for seconds, and a new lookup is cheap. */
  #forget(): void {
    const now = this.#now();
    for (const [id, users] of this.#organizations) {
      for (const [user, { until }] of users) if (until <= now && users.delete(user)) this.#size--;
      if (users.size === 0) this.#organizations.delete(id);
    }
    if (this.#size >= this.#maxEntries) this.dropAll();
  }
}
