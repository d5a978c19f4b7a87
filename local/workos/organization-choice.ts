import type { Directory } from './directory.ts';
import { newSecret } from './identifiers.ts';
import type { Vault } from './vault.ts';

/** What a page shows to somebody who has signed in and belongs to several organizations. */
export interface Offer {
  /** Stands for the person until the choice is made. */
  readonly ticket: string;
  readonly organizations: readonly { readonly id: string; readonly name: string }[];
}

interface Ticket<T> {
  readonly userId: string;
  readonly purpose: T;
}

export interface Chosen<T> extends Ticket<T> {
  readonly organizationId: string;
}

const ticketSeconds = 600;

/** Between signing in and going on: which of several organizations a person acts for. */
export class OrganizationChoice {
  readonly #directory: Directory;
  readonly #vault: Vault;

  constructor(directory: Directory, vault: Vault) {
    this.#directory = directory;
    this.#vault = vault;
  }

  /** The only organization of a user, if any. */
  only(userId: string): string | undefined {
    return this.#active(userId)[0]?.organization_id;
  }

  /** Undefined where there is nothing to choose. `purpose` is what the person has signed in for. */
  offer<T>(userId: string, purpose: T): Offer | undefined {
    const active = this.#active(userId);
    if (active.length < 2) return undefined;
    const ticket = newSecret();
    this.#vault.put<Ticket<T>>(`organization-choice:${ticket}`, { userId, purpose }, ticketSeconds);
    return { ticket, organizations: active.map(({ organization_id: id, organization_name: name }) => ({ id, name })) };
  }

  /** What was chosen; undefined for a ticket that is not known any more, and for an organization that is not the person's. */
  take<T>(ticket: string, organizationId: string): Chosen<T> | undefined {
    const kept = this.#vault.take<Ticket<T>>(`organization-choice:${ticket}`);
    if (kept === undefined || !this.#active(kept.userId).some((one) => one.organization_id === organizationId)) return undefined;
    return { ...kept, organizationId };
  }

  #active(userId: string) {
    return this.#directory.memberships.all({ userId, statuses: ['active'] });
  }
}
