import type { Events } from '../state/events.ts';
import { newIdentifier } from '../state/identifiers.ts';
import type { Membership, MembershipStatus, Organization, User } from '../state/records.ts';
import { notFound, Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import type { Roles } from './roles.ts';

export interface NewMembership {
  readonly userId: string;
  readonly organizationId: string;
  /** `member` when left out. */
  readonly roleSlug?: string | undefined;
  /** `active` when left out. An invitation creates a pending membership. */
  readonly status?: 'active' | 'pending' | undefined;
}

export interface MembershipFilter {
  readonly userId?: string | undefined;
  readonly organizationId?: string | undefined;
  readonly statuses?: readonly string[] | undefined;
}

/** https://workos.com/docs/reference/authkit/organization-membership */
export class Memberships {
  readonly #store: Store;
  readonly #events: Events;
  readonly #roles: Roles;
  readonly #byUser = new Map<string, Set<string>>();
  readonly #byOrganization = new Map<string, Set<string>>();

  constructor(store: Store, events: Events, roles: Roles) {
    this.#store = store;
    this.#events = events;
    this.#roles = roles;
    for (const membership of Object.values(this.#kept.memberships)) this.#index(membership);
  }

  get #kept(): Environment {
    return this.#store.environment;
  }

  /** Creates the user's membership in the organization. An inactive or pending membership is updated as requested. */
  create(user: User, organization: Organization, wanted: NewMembership): Membership {
    const { slug } = this.#roles.assignable(wanted.roleSlug ?? 'member');
    const status = wanted.status ?? 'active';
    const before = this.all({ userId: user.id, organizationId: organization.id })[0];
    if (before?.status === 'active') {
      throw new Refusal(422, {
        message: 'User is already a member of this organization.',
        code: 'organization_membership_already_exists',
      });
    }
    if (before?.status === 'pending' && status === 'active') {
      throw new Refusal(400, {
        code: 'cannot_reactivate_pending_organization_membership',
        message: 'A pending membership becomes active when its invitation is accepted.',
      });
    }
    const time = new Date().toISOString();
    const membership: Membership = {
      object: 'organization_membership',
      id: before?.id ?? newIdentifier('om'),
      user_id: user.id,
      organization_id: organization.id,
      organization_name: organization.name,
      status,
      directory_managed: false,
      custom_attributes: {},
      role: { slug },
      created_at: before?.created_at ?? time,
      updated_at: time,
    };
    return this.#keep(membership, before === undefined ? 'created' : 'updated');
  }

  all(filter: MembershipFilter): Membership[] {
    const ids =
      filter.userId !== undefined
        ? this.#byUser.get(filter.userId)
        : filter.organizationId !== undefined
          ? this.#byOrganization.get(filter.organizationId)
          : Object.keys(this.#kept.memberships);
    return [...(ids ?? [])]
      .flatMap((id) => this.#kept.memberships[id] ?? [])
      .filter(
        (membership) =>
          (filter.organizationId === undefined || membership.organization_id === filter.organizationId) &&
          (filter.statuses === undefined || filter.statuses.includes(membership.status)),
      );
  }

  one(id: string): Membership {
    const found = this.#kept.memberships[id];
    if (found === undefined) throw notFound('Organization membership', id);
    return found;
  }

  deactivate(id: string): Membership {
    return this.#become(this.one(id), 'inactive');
  }

  /** Activates a membership that is inactive, or pending until its invitation is accepted. */
  activate(id: string): Membership {
    return this.#become(this.one(id), 'active');
  }

  setRole(id: string, slug: string): Membership {
    const before = this.one(id);
    this.#roles.assignable(slug);
    return this.#keep({ ...before, role: { slug }, updated_at: new Date().toISOString() }, 'updated');
  }

  delete(id: string): void {
    const membership = this.one(id);
    delete this.#kept.memberships[id];
    this.#byUser.get(membership.user_id)?.delete(id);
    this.#byOrganization.get(membership.organization_id)?.delete(id);
    this.#events.emit('organization_membership.deleted', shown(membership), membership.organization_id);
  }

  /** Updates the organization's name in its memberships. */
  renamed(organizationId: string, name: string): void {
    for (const membership of this.all({ organizationId })) {
      this.#kept.memberships[membership.id] = { ...membership, organization_name: name };
    }
    this.#store.save();
  }

  #become(before: Membership, status: MembershipStatus): Membership {
    if (before.status === status) return before;
    return this.#keep({ ...before, status, updated_at: new Date().toISOString() }, 'updated');
  }

  #keep(membership: Membership, happened: 'created' | 'updated'): Membership {
    this.#kept.memberships[membership.id] = membership;
    this.#index(membership);
    this.#events.emit(`organization_membership.${happened}`, shown(membership), membership.organization_id);
    return membership;
  }

  #index({ id, user_id: userId, organization_id: organizationId }: Membership): void {
    for (const [index, key] of [
      [this.#byUser, userId],
      [this.#byOrganization, organizationId],
    ] as const) {
      const ids = index.get(key);
      if (ids === undefined) index.set(key, new Set([id]));
      else ids.add(id);
    }
  }
}

/** The membership as events show it. */
const shown = ({ organization_name: _name, ...membership }: Membership) => ({ ...membership, roles: [membership.role] });
