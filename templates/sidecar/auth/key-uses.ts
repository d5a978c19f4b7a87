/** When an API key was last used, as the control plane takes it. */
export interface KeyUse {
  readonly id: string;
  /** RFC 3339. */
  readonly lastUsedAt: string;
}

/** Last uses of API keys that have not been reported to the control plane. They are not spooled: the next use replaces a lost one. */
export class KeyUses {
  readonly #pending = new Map<string, number>();
  readonly #clock: () => number;

  /** @param clock Milliseconds since the epoch. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  note(id: string): void {
    this.#pending.set(id, this.#clock());
  }

  get any(): boolean {
    return this.#pending.size > 0;
  }

  /** Hands out what is pending, at most `limit`; {@link restore} takes back the uses that could not be sent. */
  take(limit: number): KeyUse[] {
    const taken = [...this.#pending].slice(0, limit);
    for (const [id] of taken) this.#pending.delete(id);
    return taken.map(([id, time]) => ({ id, lastUsedAt: new Date(time).toISOString() }));
  }

  restore(uses: readonly KeyUse[]): void {
    for (const { id, lastUsedAt } of uses) if (!this.#pending.has(id)) this.#pending.set(id, Date.parse(lastUsedAt));
  }
}
