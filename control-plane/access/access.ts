import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tenant } from '../../crds/tenant.ts';
import { codeOf } from '../errors/problem-of.ts';
import type { RateLimits } from '../http/rate-limits.ts';
import { type Admin, type Admins, requirePermission, requirePlatform } from '../identity/admins.ts';
import type { Permission } from '../identity/permissions.ts';
import type { Action, ActionLog, AuditEvent } from './actions.ts';

/** A hook that requires the permission. The OpenAPI document names the permission too. */
export type Allowing = ((request: FastifyRequest, reply: FastifyReply) => Promise<void>) & { readonly permission: Permission };

/** Authenticates administrators, checks their permissions and records their actions. */
export class Access {
  readonly #admins: Admins;
  readonly #audit: ActionLog;
  readonly #limits: RateLimits;
  readonly #known = new WeakMap<FastifyRequest, Admin>();
  /** Actions of routes that have passed, until there is a record of them. */
  readonly #unrecorded = new WeakMap<FastifyRequest, Action>();

  constructor(admins: Admins, audit: ActionLog, limits: RateLimits) {
    this.#admins = admins;
    this.#audit = audit;
    this.#limits = limits;
  }

  /**
   * A hook that runs before the body is read, so that a stranger learns nothing about valid bodies.
   * @param action the action whose refusal is recorded; left out for routes that only read.
   * @param scope `platform` for routes that administrators of tenants may never use.
   */
  allow(permission: Permission, action?: Action, scope: 'any' | 'platform' = 'any'): Allowing {
    const allow = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const admin = await this.#authenticate(request);
      this.#known.set(request, admin);
      this.#unrecorded.set(request, action ?? 'tenants.read');
      await this.#limits.count(reply, `${admin.organizationId}/${admin.userId}`);
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

  /**
   * Records that an administrator of a tenant has asked for another organization's, or for one that does not exist: both are answered alike and
   * take equally long. To be called before such an answer is sent.
   */
  async refused(request: FastifyRequest, error: unknown): Promise<void> {
    const admin = this.#known.get(request);
    const action = this.#unrecorded.get(request);
    if (admin === undefined || admin.platform || action === undefined || codeOf(error) !== 'tenant-not-found') return;
    const name = (request.params as { name?: string }).name ?? (request.query as { tenant?: string }).tenant;
    const tenant = name === undefined ? {} : { tenant: { name: name.slice(0, 63) } };
    await this.#audit.denied({ admin, action, requestId: request.id, ...tenant }, 'tenant-not-found');
  }

  async #authenticate(request: FastifyRequest): Promise<Admin> {
    try {
      return await this.#admins.authenticate(request.headers.authorization);
    } catch (error) {
      if (codeOf(error) === 'unauthenticated') await this.#limits.refused(request);
      throw error;
    }
  }

  /** The administrator who sent the request. The route must have a hook of `allow`. */
  admin(request: FastifyRequest): Admin {
    const admin = this.#known.get(request);
    if (admin === undefined) throw new Error('the route does not authenticate the administrator');
    return admin;
  }

  /**
   * Runs `work` between two records: the intent and the outcome. Without a stored intent, `work` does not run.
   * @param outcome details of the record of success, beside those of the intent.
   */
  async perform<T>(
    request: FastifyRequest,
    event: AuditEvent,
    work: () => Promise<T>,
    outcome: (result: T) => { readonly details?: object; readonly tenant?: Tenant } = () => ({}),
  ): Promise<T> {
    this.#unrecorded.delete(request);
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

/** The tenant that the path names. It need not exist, because a refusal comes before the lookup. */
function namedTenant({ params }: FastifyRequest, action: Action): { tenant?: { readonly name: string } } {
  const name = (params as { name?: string }).name;
  return name === undefined || action.startsWith('templates.') ? {} : { tenant: { name: name.slice(0, 63) } };
}
