import type { Events } from '../state/events.ts';
import { newIdentifier } from '../state/identifiers.ts';
import { hashPassword, passwordMatches } from '../state/passwords.ts';
import type { User } from '../state/records.ts';
import { notFound, Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import type { Memberships } from './memberships.ts';
import { merged } from './organizations.ts';

export interface NewUser {
  readonly email: string;
  readonly password?: string | undefined;
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
  readonly externalId?: string | null | undefined;
  readonly emailVerified?: boolean | undefined;
  readonly metadata?: Readonly<Record<string, string | null>> | undefined;
  readonly locale?: string | null | undefined;
}

/** https://workos.com/docs/reference/authkit/user */
export class Users {
  readonly #store: Store;
  readonly #events: Events;
  readonly #memberships: Memberships;
  /** Identifiers by e-mail. */
  readonly #byEmail: Map<string, string>;

  constructor(store: Store, events: Events, memberships: Memberships) {
    this.#store = store;
    this.#events = events;
    this.#memberships = memberships;
    this.#byEmail = new Map(this.all().map(({ email, id }) => [email, id]));
  }

  get #kept(): Environment {
    return this.#store.environment;
  }

  async create(wanted: NewUser): Promise<User> {
    const email = wanted.email.toLowerCase();
    if (this.#byEmail.has(email)) {
      throw new Refusal(400, {
        code: 'user_creation_error',
        message: 'Could not create user.',
        errors: [{ code: 'email_not_available', message: 'This email is not available.' }],
      });
    }
    const externalId = this.#free(wanted.externalId ?? null);
    const id = newIdentifier('user');
    // Reserved before the first await, so that only one of two simultaneous requests gets the address.
    this.#byEmail.set(email, id);
    try {
      const hash = wanted.password === undefined ? undefined : await hashPassword(strong(wanted.password));
      if (hash !== undefined) this.#kept.passwords[id] = hash;
    } catch (error) {
      this.#byEmail.delete(email);
      throw error;
    }
    const time = new Date().toISOString();
    return this.#keep(
      {
        object: 'user',
        id,
        email,
        first_name: wanted.firstName ?? null,
        last_name: wanted.lastName ?? null,
        email_verified: wanted.emailVerified ?? true,
        profile_picture_url: null,
        last_sign_in_at: null,
        locale: wanted.locale ?? null,
        external_id: externalId,
        metadata: merged({}, wanted.metadata),
        created_at: time,
        updated_at: time,
      },
      'created',
    );
  }

  all(): User[] {
    return Object.values(this.#kept.users);
  }

  one(id: string): User {
    const found = this.#kept.users[id];
    if (found === undefined) throw notFound('User', id);
    return found;
  }

  byEmail(email: string): User | undefined {
    return this.#kept.users[this.#byEmail.get(email.toLowerCase()) ?? ''];
  }

  byExternalId(externalId: string): User | undefined {
    return this.all().find((user) => user.external_id === externalId);
  }

  async update(id: string, change: Partial<NewUser>): Promise<User> {
    const before = this.one(id);
    const email = change.email?.toLowerCase() ?? before.email;
    const owner = this.byEmail(email);
    if (owner !== undefined && owner.id !== id) {
      throw new Refusal(400, { code: 'email_not_available', message: 'This email is not available.' });
    }
    const externalId = change.externalId === undefined ? before.external_id : this.#free(change.externalId, id);
    if (change.password !== undefined) this.#kept.passwords[id] = await hashPassword(strong(change.password));
    this.#byEmail.delete(before.email);
    this.#byEmail.set(email, id);
    return this.#keep(
      {
        ...this.one(id),
        email,
        first_name: change.firstName === undefined ? before.first_name : change.firstName,
        last_name: change.lastName === undefined ? before.last_name : change.lastName,
        email_verified: change.emailVerified ?? (email === before.email && before.email_verified),
        external_id: externalId,
        metadata: merged(before.metadata, change.metadata),
        locale: change.locale === undefined ? before.locale : change.locale,
        updated_at: new Date().toISOString(),
      },
      'updated',
    );
  }

  /** Tells whether the user can sign in with a password. */
  hasPassword(id: string | undefined): boolean {
    return id !== undefined && this.#kept.passwords[id] !== undefined;
  }

  /** Removes the user and its memberships. */
  delete(id: string): void {
    const user = this.one(id);
    for (const membership of this.#memberships.all({ userId: id })) this.#memberships.delete(membership.id);
    delete this.#kept.users[id];
    delete this.#kept.passwords[id];
    this.#byEmail.delete(user.email);
    this.#events.emit('user.deleted', user);
  }

  /** Returns the user with this e-mail and password. Refuses a wrong password, and a user whose memberships are all deactivated. */
  async signIn(email: string, password: string): Promise<User> {
    const user = this.byEmail(email);
    const hash = user && this.#kept.passwords[user.id];
    const outcome = { type: 'password', ip_address: null, user_agent: null, user_id: user?.id ?? null, email };
    if (user === undefined || hash === undefined || !(await passwordMatches(password, hash))) {
      const error = { code: 'invalid_credentials', message: 'Invalid credentials.' };
      this.#events.emit('authentication.password_failed', { ...outcome, status: 'failed', error });
      throw new Refusal(400, error);
    }
    if (!this.maySignIn(user.id)) {
      throw new Refusal(403, { code: 'user_inactive', message: 'Every membership of this user is deactivated.' });
    }
    const signedIn = { ...this.one(user.id), last_sign_in_at: new Date().toISOString() };
    this.#kept.users[user.id] = signedIn;
    this.#events.emit('authentication.password_succeeded', { ...outcome, status: 'succeeded' });
    return signedIn;
  }

  /** Tells whether the user exists and is not deactivated. As at WorkOS, a user without any membership may sign in. */
  maySignIn(id: string): boolean {
    if (this.#kept.users[id] === undefined) return false;
    const memberships = this.#memberships.all({ userId: id });
    return memberships.length === 0 || memberships.some((membership) => membership.status !== 'inactive');
  }

  #keep(user: User, happened: 'created' | 'updated'): User {
    this.#kept.users[user.id] = user;
    this.#events.emit(`user.${happened}`, user);
    return user;
  }

  #free(externalId: string | null, owner?: string): string | null {
    const used = externalId === null ? undefined : this.byExternalId(externalId);
    if (used !== undefined && used.id !== owner) {
      throw new Refusal(400, {
        code: 'external_id_already_used',
        message: 'The external_id provided is already assigned to another user.',
      });
    }
    return externalId;
  }
}

/** Returns `password`. @throws Refusal when it is too weak. The minimum length is the default of the stand-in. */
export function strong(password: string): string {
  if (password.length >= 8) return password;
  throw new Refusal(400, {
    code: 'password_strength_error',
    message: 'Password does not meet strength requirements.',
    errors: [{ code: 'password_too_short', message: 'Password must be at least 8 characters.' }],
  });
}
