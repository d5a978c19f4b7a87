import type { Directory } from '../directory/directory.ts';
import { newSecret } from '../state/identifiers.ts';
import type { Vault } from '../state/vault.ts';

/** Data of the page on which a member of several organizations chooses one. */
export interface Offer {
  /** Identifies the user until the choice is made. */
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

/** The choice between several organizations, after the sign-in. */
export class OrganizationChoice {
  readonly #directory: Directory;
  readonly #vault: Vault;

  constructor(directory: Directory, vault: Vault) {
    this.#directory = directory;
    this.#vault = vault;
  }

  /** Returns the organization of a user who has only one. */
  only(userId: string): string | undefined {
    return this.#active(userId)[0]?.organization_id;
  }

  /** Offers the organizations of a user. Undefined when there is no choice. `purpose` is kept with the ticket. */
  offer<T>(userId: string, purpose: T): Offer | undefined {
    const active = this.#active(userId);
    if (active.length < 2) return undefined;
    const ticket = newSecret();
    this.#vault.put<Ticket<T>>(`organization-choice:${ticket}`, { userId, purpose }, ticketSeconds);
    return { ticket, organizations: active.map(({ organization_id: id, organization_name: name }) => ({ id, name })) };
  }

  /** Returns the choice. Undefined for an unknown ticket, and for an organization the user does not belong to. */
  take<T>(ticket: string, organizationId: string): Chosen<T> | undefined {
    const kept = this.#vault.take<Ticket<T>>(`organization-choice:${ticket}`);
    if (kept === undefined || !this.#active(kept.userId).some((one) => one.organization_id === organizationId)) return undefined;
    return { ...kept, organizationId };
  }

  #active(userId: string) {
    return this.#directory.memberships.all({ userId, statuses: ['active'] });
  }
}
