import type { Tenant } from '../../crds/tenant.ts';
import type { Code } from '../../problems/catalogue.ts';
import type { Admin } from '../identity/admins.ts';

/** The recorded actions of administrators. */
export type Action =
  /** Only refused attempts are recorded. */
  | 'tenants.read'
  | 'tenants.create'
  | 'tenants.patch'
  | 'tenants.delete'
  | 'tenants.suspend'
  | 'tenants.resume'
  | 'tenants.rotate'
  | 'domains.add'
  | 'domains.verify'
  | 'domains.remove'
  | 'services.set'
  | 'templates.apply'
  | 'apikeys.create'
  | 'apikeys.revoke';

/** An action of an administrator, as it is recorded. */
export interface AuditEvent {
  readonly action: Action;
  /** The tenant that is changed; only its name when it does not exist yet; left out when the action concerns no tenant. */
  readonly tenant?: Tenant | { readonly name: string };
  /** The changed fields and their new values. Secrets in them are masked. */
  readonly details?: unknown;
}

export interface Intent extends AuditEvent {
  readonly admin: Admin;
  readonly requestId: string;
}

/** An action that has begun. Call exactly one of the two methods when it has ended. Neither rejects. */
export interface PendingAction {
  /** @param tenant the created tenant. */
  succeeded(details?: unknown, tenant?: Tenant): Promise<void>;
  /** @param code the code of the problem in the response. */
  failed(code: Code, details?: unknown): Promise<void>;
}

/** Records the actions of administrators. */
export interface ActionLog {
  /** Records the intent. @throws errors of the driver; the action must not be performed then. */
  begin(intent: Intent): Promise<PendingAction>;
  /** Records that a known administrator was refused. Never rejects. */
  denied(intent: Intent, code: Code): Promise<void>;
}
