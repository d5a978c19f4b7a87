import type { Access } from '../../runtime/access.ts';

/** The control plane's answer about a user and the tenant's organization. */
export type Membership = { readonly member: true; readonly access: Access; readonly role: string | undefined } | { readonly member: false };

/** Longest an answer holds, in milliseconds: a removed member is out, and a new one in, within that time. */
export const memberMs = 30_000;
export const nonMemberMs = 5_000;
/**
 * From this age on, a use of a yes asks for the next one while it still serves. Each answer draws its own moment between this and its
 * end, so that users who came together, after a restart perhaps, do not ask together for ever; and who calls often never waits.
 */
export const renewalMs = 15_000;
/** Soonest another try to renew after one that failed: a control plane that is away is not asked with every request. */
const retryMs = 1_000;
const maxEntries = 10_000;

interface Known {
  readonly membership: Membership;
  readonly expiresAt: number;
  renewAt: number;
}

export interface MembershipsOptions {
  /** Rejects when the answer cannot be known. A rejection is not cached and never means yes. */
  readonly ask: (userId: string) => Promise<Membership>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** Who is a member of the tenant's organization and what they may do, asked of the control plane and remembered for a short time. */
export class Memberships {
  readonly #options: MembershipsOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Membership>>();

  constructor(options: MembershipsOptions) {
    this.#options = options;
  }

  /** Rejects with the error of `ask` when no cached answer is valid. */
  async of(userId: string): Promise<Membership> {
    const now = this.#options.now();
    const known = this.#known.get(userId);
    if (known === undefined || now >= known.expiresAt) return await this.#ask(userId);
    if (now >= known.renewAt && !this.#asking.has(userId)) this.#renew(userId, known);
    return known.membership;
  }

  #renew(userId: string, known: Known): void {
    this.#ask(userId).catch(() => {
      // What holds is used until its end; whoever comes then hears of the failure.
      known.renewAt = this.#options.now() + retryMs;
    });
  }

  /** One question a user at a time, however many wait for the answer. */
  #ask(userId: string): Promise<Membership> {
    const running = this.#asking.get(userId);
    if (running !== undefined) return running;
    // An answer is as old as its question: what it says may have changed while it was under way.
    const askedAt = this.#options.now();
    const asking = this.#options
      .ask(userId)
      .then((membership) => {
        this.#remember(userId, membership, askedAt);
        return membership;
      })
      .finally(() => this.#asking.delete(userId));
    this.#asking.set(userId, asking);
    return asking;
  }

  #remember(userId: string, membership: Membership, askedAt: number): void {
    this.#known.delete(userId);
    const oldest = this.#known.keys().next();
    if (this.#known.size >= maxEntries && !oldest.done) this.#known.delete(oldest.value);
    const holds = membership.member && membership.access !== 'none';
    this.#known.set(userId, {
      membership,
      expiresAt: askedAt + (holds ? memberMs : nonMemberMs),
      renewAt: holds ? askedAt + renewalMs + this.#options.random() * (memberMs - renewalMs) : Number.POSITIVE_INFINITY,
    });
  }
}
