import type { Events } from '../state/events.ts';
import { newIdentifier, newSecret } from '../state/identifiers.ts';
import type { Invitation, User } from '../state/records.ts';
import { notFound, Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import type { Memberships } from './memberships.ts';
import type { Organizations } from './organizations.ts';
import type { Roles } from './roles.ts';
import type { Users } from './users.ts';

export interface NewInvitation {
  readonly email: string;
  readonly organizationId?: string | undefined;
  readonly roleSlug?: string | undefined;
  /** 1 to 30 days. 7 when left out. */
  readonly expiresInDays?: number | undefined;
  readonly inviterUserId?: string | undefined;
}

interface Parts {
  readonly roles: Roles;
  readonly memberships: Memberships;
  readonly organizations: Organizations;
  readonly users: Users;
}

const dayMs = 86_400_000;
const refused = (code: string, message: string) => new Refusal(400, { code, message });

/** https://workos.com/docs/reference/authkit/invitation */
export class Invitations {
  readonly #store: Store;
  readonly #parts: Parts;

  constructor(store: Store, events: Events, parts: Parts) {
    this.#store = store;
    this.#parts = parts;
    events.onEvent(({ event, data }) => {
      if (event !== 'organization.deleted') return;
      for (const { id } of this.all().filter((one) => one.organization_id === data['id'] && one.state === 'pending')) this.revoke(id);
    });
  }

  get #kept(): Environment['invitations'] {
    return this.#store.environment.invitations;
  }

  /** Invites an address. A user with an account becomes a pending member at once. Others get an account when they accept. */
  create(wanted: NewInvitation): Invitation {
    const { roles, memberships, organizations, users } = this.#parts;
    const email = wanted.email.toLowerCase();
    const days = wanted.expiresInDays ?? 7;
    if (days < 1) throw refused('expires_in_days_too_short', 'An invitation is good for a day at least.');
    if (days > 30) throw refused('expires_in_days_too_long', 'An invitation is good for 30 days at most.');
    const organization = wanted.organizationId === undefined ? undefined : organizations.one(wanted.organizationId);
    if (wanted.inviterUserId !== undefined) users.one(wanted.inviterUserId);
    if (wanted.roleSlug !== undefined && !roles.roles().some(({ slug }) => slug === wanted.roleSlug)) {
      throw refused('invalid_role', `Role '${wanted.roleSlug}' is not a valid role.`);
    }
    const user = users.byEmail(email);
    const pending = this.all().filter((one) => one.email === email && one.state === 'pending');
    if (organization === undefined) {
      if (user !== undefined) throw refused('user_already_exists', 'A user with this e-mail exists.');
      if (pending.some((one) => one.organization_id === null)) throw refused('email_already_invited', 'This e-mail has been invited.');
    } else {
      const membership = user && memberships.all({ userId: user.id, organizationId: organization.id })[0];
      if (membership?.status === 'active') {
        throw refused('user_already_organization_member', 'The user is a member of the organization already.');
      }
      if (pending.some((one) => one.organization_id === organization.id)) {
        throw refused('email_already_invited_to_organization', 'This e-mail has been invited to the organization.');
      }
      if (user !== undefined && membership?.status !== 'inactive') {
        memberships.create(user, organization, {
          userId: user.id,
          organizationId: organization.id,
          roleSlug: wanted.roleSlug,
          status: 'pending',
        });
      }
    }
    const time = new Date();
    return this.#keep({
      object: 'invitation',
      id: newIdentifier('invitation'),
      email,
      state: 'pending',
      accepted_at: null,
      revoked_at: null,
      expires_at: new Date(time.getTime() + days * dayMs).toISOString(),
      organization_id: organization?.id ?? null,
      inviter_user_id: wanted.inviterUserId ?? null,
      accepted_user_id: null,
      role_slug: wanted.roleSlug ?? null,
      created_at: time.toISOString(),
      updated_at: time.toISOString(),
      token: newSecret(),
    });
  }

  all(): Invitation[] {
    return Object.values(this.#kept).map(current);
  }

  one(id: string): Invitation {
    const found = this.#kept[id];
    if (found === undefined) throw notFound('Invitation', id);
    return current(found);
  }

  byToken(token: string): Invitation {
    const found = this.all().find((one) => one.token === token);
    if (found === undefined) throw notFound('Invitation', token);
    return found;
  }

  /** Accepts the invitation. The invited user becomes an active member. */
  accept(id: string, user: User): Invitation {
    const before = this.one(id);
    if (before.accepted_user_id !== null) throw refused('invite_has_accepted_user_id', 'The invitation was accepted before.');
    if (before.state !== 'pending') throw refused('invite_not_pending', `The invitation is ${before.state}.`);
    if (user.email !== before.email) throw refused('invalid_invite', 'The invitation is for another e-mail.');
    const { memberships, organizations } = this.#parts;
    const organizationId = before.organization_id;
    if (organizationId !== null) {
      const known = memberships.all({ userId: user.id, organizationId })[0];
      if (known?.status === 'pending') memberships.activate(known.id);
      else if (known?.status !== 'active') {
        const roleSlug = before.role_slug ?? undefined;
        memberships.create(user, organizations.one(organizationId), { userId: user.id, organizationId, roleSlug });
      }
    }
    const time = new Date().toISOString();
    return this.#keep({ ...before, state: 'accepted', accepted_at: time, accepted_user_id: user.id, updated_at: time });
  }

  /** Revokes the invitation, and deletes the pending membership. */
  revoke(id: string): Invitation {
    const before = this.one(id);
    if (before.state !== 'pending') throw refused('invite_not_pending', `The invitation is ${before.state}.`);
    const { memberships, users } = this.#parts;
    const user = users.byEmail(before.email);
    if (user !== undefined && before.organization_id !== null) {
      const pending = memberships.all({ userId: user.id, organizationId: before.organization_id, statuses: ['pending'] })[0];
      if (pending !== undefined) memberships.delete(pending.id);
    }
    const time = new Date().toISOString();
    return this.#keep({ ...before, state: 'revoked', revoked_at: time, updated_at: time });
  }

  #keep(invitation: Invitation): Invitation {
    this.#kept[invitation.id] = invitation;
    this.#store.save();
    return invitation;
  }
}

function current(invitation: Invitation): Invitation {
  const expired = invitation.state === 'pending' && Date.parse(invitation.expires_at) <= Date.now();
  return expired ? { ...invitation, state: 'expired' } : invitation;
}
