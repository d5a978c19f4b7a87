import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tenant } from '../../crds/tenant.ts';
import { codeOf } from '../errors/problem-of.ts';
import type { RateLimits } from '../http/rate-limits.ts';
import { type Admin, type Admins, type Permission, requirePermission, requirePlatform } from '../identity/admins.ts';
import type { Action, ActionLog, AuditEvent } from './actions.ts';

/** A hook that lets nobody pass without the permission, which the OpenAPI document names. */
export type Allowing = ((request: FastifyRequest, reply: FastifyReply) => Promise<void>) & { readonly permission: Permission };

/** Who asks, whether they may, and the record of what they did. */
export class Access {
  readonly #admins: Admins;
  readonly #audit: ActionLog;
  readonly #limits: RateLimits;
  readonly #known = new WeakMap<FastifyRequest, Admin>();

  constructor(admins: Admins, audit: ActionLog, limits: RateLimits) {
    this.#admins = admins;
    this.#audit = audit;
    this.#limits = limits;
  }

  /**
   * A hook for the beginning of a request, before its body is read: a stranger learns nothing of what a valid body is.
   * @param action what the route does, whose refusal is recorded; left out where it only reads.
   * @param scope `platform` where administrators of tenants may not, whatever their permissions.
   */
  allow(permission: Permission, action?: Action, scope: 'any' | 'platform' = 'any'): Allowing {
    const allow = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const admin = await this.#authenticate(request);
      this.#known.set(request, admin);
      await this.#limits.count(request, reply, `${admin.organizationId}/${admin.userId}`);
      try {
        requirePermission(admin, permission);
        if (scope === 'platform') requirePlatform(admin);
      } catch (error) {
        if (action !== undefined)
          await this.#audit.denied({ admin, action, requestId: request.id, ...namedTenant(request, action) }, codeOf(error));
        throw error;
      }
    };
    return Object.assign(allow, { permission });
  }

  async #authenticate(request: FastifyRequest): Promise<Admin> {
    try {
      return await this.#admins.authenticate(request.headers.authorization);
    } catch (error) {
      if (codeOf(error) === 'unauthenticated') await this.#limits.refused(request);
      throw error;
    }
  }

  /** Who asks, in a route with `allow`. */
  admin(request: FastifyRequest): Admin {
    const admin = this.#known.get(request);
    if (admin === undefined) throw new Error('a route of the Admin API has not asked who is calling');
    return admin;
  }

  /**
   * Does `work` between two records: of the intent, without which nothing is done, and of the outcome.
   * @param outcome what the record says of success beyond the intent.
   */
  async perform<T>(
    request: FastifyRequest,
    event: AuditEvent,
    work: () => Promise<T>,
    outcome: (result: T) => { readonly details?: object; readonly tenant?: Tenant } = () => ({}),
  ): Promise<T> {
    const begun = await this.#audit.begin({ admin: this.admin(request), requestId: request.id, ...event });
    let result: T;
    try {
      result = await work();
    } catch (error) {
      await begun.failed(codeOf(error));
      throw error;
    }
    const { details, tenant } = outcome(result);
    await begun.succeeded(details, tenant);
    return result;
  }
}

/** The tenant the path names. It need not exist: a refusal comes before anybody looks. */
function namedTenant({ params }: FastifyRequest, action: Action): { tenant?: { readonly name: string } } {
  const name = (params as { name?: string }).name;
  return name === undefined || action.startsWith('templates.') ? {} : { tenant: { name: name.slice(0, 63) } };
}
