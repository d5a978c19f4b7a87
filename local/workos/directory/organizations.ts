import type { Events } from '../state/events.ts';
import { newIdentifier } from '../state/identifiers.ts';
import type { Organization } from '../state/records.ts';
import { notFound, Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import type { Memberships } from './memberships.ts';

export interface NewOrganization {
  readonly name: string;
  readonly externalId?: string | null | undefined;
  readonly metadata?: Readonly<Record<string, string | null>> | undefined;
}

/** The organization as events show it. They leave out a switch that only the organization endpoints return. */
const shown = ({ allow_profiles_outside_organization: _allowed, ...organization }: Organization) => organization;

/** https://workos.com/docs/reference/organization */
export class Organizations {
  readonly #store: Store;
  readonly #events: Events;
  readonly #memberships: Memberships;

  constructor(store: Store, events: Events, memberships: Memberships) {
    this.#store = store;
    this.#events = events;
    this.#memberships = memberships;
  }

  get #kept(): Environment {
    return this.#store.environment;
  }

  create(wanted: NewOrganization): Organization {
    const id = newIdentifier('org');
    const time = new Date().toISOString();
    const organization: Organization = {
      object: 'organization',
      id,
      name: wanted.name,
      allow_profiles_outside_organization: false,
      domains: [],
      external_id: this.#free(wanted.externalId ?? null),
      metadata: merged({}, wanted.metadata),
      created_at: time,
      updated_at: time,
    };
    return this.#keep(organization, 'created');
  }

  all(): Organization[] {
    return Object.values(this.#kept.organizations);
  }

  one(id: string): Organization {
    const found = this.#kept.organizations[id];
    if (found === undefined) throw notFound('Organization', id);
    return found;
  }

  byExternalId(externalId: string): Organization | undefined {
    return this.all().find((organization) => organization.external_id === externalId);
  }

  update(id: string, change: Partial<NewOrganization>): Organization {
    const before = this.one(id);
    const changed: Organization = {
      ...before,
      name: change.name ?? before.name,
      external_id: change.externalId === undefined ? before.external_id : this.#free(change.externalId, id),
      metadata: merged(before.metadata, change.metadata),
      updated_at: new Date().toISOString(),
    };
    if (changed.name !== before.name) this.#memberships.renamed(id, changed.name);
    return this.#keep(changed, 'updated');
  }

  /** Removes the organization and its memberships. */
  delete(id: string): void {
    const organization = this.one(id);
    for (const membership of this.#memberships.all({ organizationId: id })) this.#memberships.delete(membership.id);
    delete this.#kept.organizations[id];
    this.#events.emit('organization.deleted', shown(organization), id);
  }

  #keep(organization: Organization, happened: 'created' | 'updated'): Organization {
    this.#kept.organizations[organization.id] = organization;
    this.#events.emit(`organization.${happened}`, shown(organization), organization.id);
    return organization;
  }

  #free(externalId: string | null, owner?: string): string | null {
    const used = externalId === null ? undefined : this.byExternalId(externalId);
    if (used !== undefined && used.id !== owner) {
      throw new Refusal(400, {
        code: 'external_id_already_used',
        message: 'The external_id provided is already assigned to another organization.',
      });
    }
    return externalId;
  }
}

/** Merges `change` into `before`. Null removes a key. */
function merged(
  before: Readonly<Record<string, string>>,
  change: Readonly<Record<string, string | null>> | null | undefined,
): Readonly<Record<string, string>> {
  const all = { ...before, ...change };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null));
}
