import { newIdentifier } from './identifiers.ts';
import { hashPassword, passwordMatches } from './passwords.ts';
import type { Membership, MembershipStatus, OAuthResource, Organization, User } from './records.ts';
import { invalid, notFound, Refusal } from './refusal.ts';
import { roles } from './roles.ts';
import type { Environment, Store } from './store.ts';

export interface NewUser {
  readonly email: string;
  readonly password?: string | undefined;
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
  readonly externalId?: string | null | undefined;
  readonly emailVerified?: boolean | undefined;
}

export interface NewOrganization {
  readonly name: string;
  readonly externalId?: string | null | undefined;
  readonly domains?: readonly string[] | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface NewMembership {
  readonly userId: string;
  readonly organizationId: string;
  /** `member` when left out. */
  readonly roleSlug?: string | undefined;
  /** Permissions beyond the role's; WorkOS knows only those of roles, so this is for seeding alone. */
  readonly permissions?: readonly string[] | undefined;
}

/** Organizations, users, memberships and OAuth resources: what they may be and how they hang together. Refuses what WorkOS refuses. */
export class Directory {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get #kept(): Environment {
    return this.#store.environment;
  }

  createOrganization(wanted: NewOrganization): Organization {
    const externalId = wanted.externalId ?? null;
    if (externalId !== null && this.organizations().some((other) => other.external_id === externalId)) {
      throw new Refusal(400, {
        code: 'external_id_already_used',
        message: 'The external_id provided is already assigned to another organization.',
      });
    }
    const id = newIdentifier('org');
    const time = new Date().toISOString();
    const organization: Organization = {
      object: 'organization',
      id,
      name: wanted.name,
      allow_profiles_outside_organization: false,
      domains: (wanted.domains ?? []).map((domain) => ({
        object: 'organization_domain',
        id: newIdentifier('org_domain'),
        organization_id: id,
        domain,
        state: 'verified',
        verification_strategy: 'manual',
        created_at: time,
        updated_at: time,
      })),
      external_id: externalId,
      metadata: wanted.metadata ?? {},
      created_at: time,
      updated_at: time,
    };
    this.#kept.organizations[id] = organization;
    this.#store.save();
    return organization;
  }

  organizations(): Organization[] {
    return Object.values(this.#kept.organizations);
  }

  organization(id: string): Organization {
    const found = this.#kept.organizations[id];
    if (found === undefined) throw notFound('Organization', id);
    return found;
  }

  /** Removes the organization and its memberships. */
  deleteOrganization(id: string): void {
    this.organization(id);
    delete this.#kept.organizations[id];
    for (const membership of this.memberships({ organizationId: id })) this.#forgetMembership(membership.id);
    this.#store.save();
  }

  async createUser(wanted: NewUser): Promise<User> {
    const email = wanted.email.toLowerCase();
    if (this.userByEmail(email) !== undefined) {
      throw new Refusal(400, {
        code: 'user_creation_error',
        message: 'Could not create user.',
        errors: [{ code: 'email_not_available', message: 'This email is not available.' }],
      });
    }
    if (wanted.password !== undefined && wanted.password.length < 8) {
      throw new Refusal(400, {
        code: 'password_strength_error',
        message: 'Password does not meet strength requirements.',
        errors: [{ code: 'password_too_short', message: 'Password must be at least 8 characters.' }],
      });
    }
    const hash = wanted.password === undefined ? undefined : await hashPassword(wanted.password);
    const id = newIdentifier('user');
    const time = new Date().toISOString();
    const user: User = {
      object: 'user',
      id,
      email,
      first_name: wanted.firstName ?? null,
      last_name: wanted.lastName ?? null,
      email_verified: wanted.emailVerified ?? true,
      profile_picture_url: null,
      last_sign_in_at: null,
      locale: null,
      external_id: wanted.externalId ?? null,
      metadata: {},
      created_at: time,
      updated_at: time,
    };
    this.#kept.users[id] = user;
    if (hash !== undefined) this.#kept.passwords[id] = hash;
    this.#store.save();
    return user;
  }

  users(): User[] {
    return Object.values(this.#kept.users);
  }

  user(id: string): User {
    const found = this.#kept.users[id];
    if (found === undefined) throw notFound('User', id);
    return found;
  }

  userByEmail(email: string): User | undefined {
    return this.users().find((user) => user.email === email.toLowerCase());
  }

  deleteUser(id: string): void {
    this.user(id);
    delete this.#kept.users[id];
    delete this.#kept.passwords[id];
    for (const membership of this.memberships({ userId: id })) this.#forgetMembership(membership.id);
    this.#store.save();
  }

  /** The user with this e-mail and password. A user whose memberships are all deactivated is refused, as is a wrong password. */
  async signIn(email: string, password: string): Promise<User> {
    const user = this.userByEmail(email);
    const hash = user && this.#kept.passwords[user.id];
    if (user === undefined || hash === undefined || !(await passwordMatches(password, hash))) {
      throw new Refusal(400, { code: 'invalid_credentials', message: 'Invalid credentials.' });
    }
    if (!this.mayStaySignedIn(user.id)) {
      throw new Refusal(403, { code: 'user_inactive', message: 'Every membership of this user is deactivated.' });
    }
    const signedIn = { ...user, last_sign_in_at: new Date().toISOString() };
    this.#kept.users[user.id] = signedIn;
    this.#store.save();
    return signedIn;
  }

  /** Whether the user exists and is not deactivated; one without any membership may sign in, as at WorkOS. */
  mayStaySignedIn(userId: string): boolean {
    if (this.#kept.users[userId] === undefined) return false;
    const memberships = this.memberships({ userId });
    return memberships.length === 0 || memberships.some((membership) => membership.status === 'active');
  }

  createMembership(wanted: NewMembership): Membership {
    const user = this.user(wanted.userId);
    const organization = this.organization(wanted.organizationId);
    const slug = wanted.roleSlug ?? 'member';
    if (roles[slug] === undefined) throw new Refusal(422, { message: `Role '${slug}' is not a valid role.`, code: 'invalid_role' });
    const before = this.memberships({ userId: user.id, organizationId: organization.id })[0];
    if (before?.status === 'active') {
      throw new Refusal(422, {
        message: 'User is already a member of this organization.',
        code: 'organization_membership_already_exists',
      });
    }
    const time = new Date().toISOString();
    const membership: Membership = {
      object: 'organization_membership',
      id: before?.id ?? newIdentifier('om'),
      user_id: user.id,
      organization_id: organization.id,
      organization_name: organization.name,
      status: 'active',
      directory_managed: false,
      custom_attributes: {},
      role: { slug },
      created_at: before?.created_at ?? time,
      updated_at: time,
    };
    this.#kept.memberships[membership.id] = membership;
    if (wanted.permissions !== undefined) this.#kept.permissions[membership.id] = wanted.permissions;
    this.#store.save();
    return membership;
  }

  memberships(filter: {
    userId?: string | undefined;
    organizationId?: string | undefined;
    statuses?: readonly string[] | undefined;
  }): Membership[] {
    return Object.values(this.#kept.memberships).filter(
      (membership) =>
        (filter.userId === undefined || membership.user_id === filter.userId) &&
        (filter.organizationId === undefined || membership.organization_id === filter.organizationId) &&
        (filter.statuses === undefined || filter.statuses.includes(membership.status)),
    );
  }

  membership(id: string): Membership {
    const found = this.#kept.memberships[id];
    if (found === undefined) throw notFound('Organization membership', id);
    return found;
  }

  setMembershipStatus(id: string, status: MembershipStatus): Membership {
    const changed = { ...this.membership(id), status, updated_at: new Date().toISOString() };
    this.#kept.memberships[id] = changed;
    this.#store.save();
    return changed;
  }

  setMembershipRole(id: string, slug: string): Membership {
    if (roles[slug] === undefined) throw new Refusal(422, { message: `Role '${slug}' is not a valid role.`, code: 'invalid_role' });
    const changed = { ...this.membership(id), role: { slug }, updated_at: new Date().toISOString() };
    this.#kept.memberships[id] = changed;
    this.#store.save();
    return changed;
  }

  deleteMembership(id: string): void {
    this.membership(id);
    this.#forgetMembership(id);
    this.#store.save();
  }

  /** What a member may do: the role's permissions and those given to this membership. */
  permissionsOf(membership: Membership): string[] {
    return [...new Set([...(roles[membership.role.slug] ?? []), ...(this.#kept.permissions[membership.id] ?? [])])];
  }

  createResource(uri: unknown, isDefault: unknown = false): OAuthResource {
    if (typeof uri !== 'string') throw invalid('Validation failed.', [{ field: 'uri', code: 'required' }]);
    const parsed = URL.parse(uri);
    if (parsed === null || uri.includes('#') || uri.includes('*')) throw invalid('Validation failed.', [{ field: 'uri', code: 'invalid' }]);
    if (typeof isDefault !== 'boolean') throw invalid('Validation failed.', [{ field: 'default', code: 'invalid' }]);
    if (this.resources().some((other) => other.uri === uri)) {
      throw new Refusal(422, { message: `AuthKit OAuth resource '${uri}' already exists.`, code: 'unprocessable_entity' });
    }
    const time = new Date().toISOString();
    if (isDefault) {
      for (const other of this.resources()) {
        if (other.default) this.#kept.resources[other.id] = { ...other, default: false, updated_at: time };
      }
    }
    const resource: OAuthResource = {
      object: 'authkit_oauth_resource',
      id: newIdentifier('authkit_oauth_resource'),
      uri,
      default: isDefault,
      created_at: time,
      updated_at: time,
    };
    this.#kept.resources[resource.id] = resource;
    this.#store.save();
    return resource;
  }

  resources(): OAuthResource[] {
    return Object.values(this.#kept.resources);
  }

  deleteResource(id: string): void {
    if (this.#kept.resources[id] === undefined) throw notFound('AuthKit OAuth resource', id);
    delete this.#kept.resources[id];
    this.#store.save();
  }

  #forgetMembership(id: string): void {
    delete this.#kept.memberships[id];
    delete this.#kept.permissions[id];
  }
}
