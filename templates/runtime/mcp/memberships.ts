/** How long an answer holds, in milliseconds: a removed member is out, and a new one in, within that time. */
export const memberMs = 30_000;
export const nonMemberMs = 5_000;
const maxEntries = 10_000;

/** Who is a member of the tenant's organization, asked of the control plane and remembered for a short time. */
export class Memberships {
  readonly #ask: (userId: string) => Promise<boolean>;
  readonly #now: () => number;
  readonly #known = new Map<string, { member: boolean; expiresAt: number }>();
  readonly #asking = new Map<string, Promise<boolean>>();

  /** @param ask Rejects when it cannot be known; that is remembered by nobody and never means yes. */
  constructor(ask: (userId: string) => Promise<boolean>, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#now = now;
  }

  async isMember(userId: string): Promise<boolean> {
    const known = this.#known.get(userId);
    if (known !== undefined && this.#now() < known.expiresAt) return known.member;
    const asking = this.#asking.get(userId) ?? this.#refresh(userId);
    return await asking;
  }

  #refresh(userId: string): Promise<boolean> {
    const asking = this.#ask(userId)
      .then((member) => {
        this.#remember(userId, member);
        return member;
      })
      .finally(() => this.#asking.delete(userId));
    this.#asking.set(userId, asking);
    return asking;
  }

  #remember(userId: string, member: boolean): void {
    this.#known.delete(userId);
    const oldest = this.#known.keys().next();
    if (this.#known.size >= maxEntries && !oldest.done) this.#known.delete(oldest.value);
    this.#known.set(userId, { member, expiresAt: this.#now() + (member ? memberMs : nonMemberMs) });
  }
}
