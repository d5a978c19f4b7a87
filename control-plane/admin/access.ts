import type { FastifyRequest } from 'fastify';
import { type Admin, type Admins, type Permission, requirePermission } from '../identity/admins.ts';

/** Who asks, and whether they may. */
export class Access {
  readonly #admins: Admins;
  readonly #known = new WeakMap<FastifyRequest, Admin>();

  constructor(admins: Admins) {
    this.#admins = admins;
  }

  /** A hook for the beginning of a request, before its body is read: a stranger learns nothing of what a valid body is. */
  allow(permission: Permission): (request: FastifyRequest) => Promise<void> {
    return async (request) => {
      const admin = await this.#admins.authenticate(request.headers.authorization);
      this.#known.set(request, admin);
      requirePermission(admin, permission);
    };
  }

  /** Who asks, in a route with `allow`. */
  admin(request: FastifyRequest): Admin {
    const admin = this.#known.get(request);
    if (admin === undefined) throw new Error('a route of the Admin API has not asked who is calling');
    return admin;
  }
}
