import type { Events } from '../state/events.ts';
import { newIdentifier } from '../state/identifiers.ts';
import { hashPassword, passwordMatches } from '../state/passwords.ts';
import type { User } from '../state/records.ts';
import { notFound, Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import type { Memberships } from './memberships.ts';

export interface NewUser {
  readonly email: string;
  readonly password?: string | undefined;
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
  readonly emailVerified?: boolean | undefined;
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
        locale: null,
        external_id: null,
        metadata: {},
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

  /** Gives a password to a user without one, whose address is proven. */
  async setPassword(id: string, password: string): Promise<User> {
    this.#kept.passwords[id] = await hashPassword(strong(password));
    return this.#keep({ ...this.one(id), email_verified: true, updated_at: new Date().toISOString() }, 'updated');
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
    if (user === undefined || hash === undefined || !(await passwordMatches(password, hash))) {
      throw new Refusal(400, { code: 'invalid_credentials', message: 'Invalid credentials.' });
    }
    if (!this.maySignIn(user.id)) {
      throw new Refusal(403, { code: 'user_inactive', message: 'Every membership of this user is deactivated.' });
    }
    const signedIn = { ...this.one(user.id), last_sign_in_at: new Date().toISOString() };
    this.#kept.users[user.id] = signedIn;
    this.#store.save();
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
}

/** Returns `password`. @throws Refusal when it is too weak. The minimum length is the default of the stand-in. */
function strong(password: string): string {
  if (password.length >= 8) return password;
  throw new Refusal(400, {
    code: 'password_strength_error',
    message: 'Password does not meet strength requirements.',
    errors: [{ code: 'password_too_short', message: 'Password must be at least 8 characters.' }],
  });
}
