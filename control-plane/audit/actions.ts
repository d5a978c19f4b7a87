import type { Logger } from 'pino';
import { newRecordId } from '../../audit/record.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { Code } from '../../problems/catalogue.ts';
import { Problem } from '../../problems/problem.ts';
import type { Admin } from '../identity/admins.ts';
import { isStoreUnavailable } from '../store/failures.ts';
import type { Ledger, NewRecord } from './ledger.ts';
import { redact } from './redaction.ts';

/** What administrators do, by name. */
export type Action =
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

export interface Intent {
  readonly admin: Admin;
  readonly action: Action;
  /** The tenant it is done to; the name alone of one that is to be created; left out where it concerns none. */
  readonly tenant?: Tenant | { readonly name: string };
  readonly requestId: string;
  /** Names of what is changed and to what; secrets in it are blotted out. */
  readonly details?: unknown;
}

/** An action under way. Exactly one of the two is to be called, once it has ended. Neither rejects. */
export interface PendingAction {
  /** @param tenant the one that was created. */
  succeeded(details?: unknown, tenant?: Tenant): Promise<void>;
  /** @param code of the problem the request is answered with. */
  failed(code: Code, details?: unknown): Promise<void>;
}

const firstPauseMs = 250;
const lastPauseMs = 5_000;
/** Outcomes that wait for the database; above it something is wrong that waiting does not mend. */
const mostWaiting = 10_000;

/**
 * Records what administrators do. The intent is recorded before anything is changed, so nothing is done of which there is no record;
 * an outcome that the database does not take at once waits in memory until it does. An intent without an outcome says that the
 * process ended in between, or the database was away until it did.
 */
export class Audit {
  readonly #ledger: Ledger;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #waiting: NewRecord[] = [];
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(options: { ledger: Ledger; log: Logger; now?: () => number }) {
    this.#ledger = options.ledger;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
  }

  /** Records that the action is about to begin. @throws what the driver throws: then nothing may be changed. */
  async begin(intent: Intent): Promise<PendingAction> {
    const begun = this.#record(intent, 'intended', intent.details ?? {});
    await this.#ledger.join(begun);
    return {
      succeeded: (details = {}, tenant) =>
        this.#settle(this.#record(tenant === undefined ? intent : { ...intent, tenant }, 'ok', { intent: begun.id, ...asObject(details) })),
      failed: (code, details = {}) => this.#settle(this.#record(intent, code, { intent: begun.id, ...asObject(details) })),
    };
  }

  /** Records that a known administrator was refused. Never rejects. */
  denied(intent: Intent, code: Code): Promise<void> {
    return this.#settle(this.#record(intent, code, intent.details ?? {}));
  }

  /** Tries once more to record what waits; what the database does not take then is in the log. */
  async close(): Promise<void> {
    clearTimeout(this.#retry);
    const rest = this.#waiting.splice(0);
    await this.#ledger.append(rest).catch((err: unknown) => {
      for (const { details: _, ...record } of rest) this.#log.error({ err, record }, 'outcome of an action is not in the audit');
    });
  }

  #record({ admin, action, tenant, requestId }: Intent, outcome: string, details: unknown): NewRecord {
    const now = this.#now();
    return {
      id: newRecordId(now),
      kind: 'admin',
      time: new Date(now).toISOString(),
      actor: admin.userId,
      organizationId: admin.organizationId,
      ...(admin.impersonator === undefined ? {} : { impersonator: storable(admin.impersonator) }),
      action,
      outcome,
      requestId,
      details: redact(details),
      ...(tenant === undefined ? {} : recorded(tenant)),
    };
  }

  async #settle(record: NewRecord): Promise<void> {
    try {
      await this.#ledger.join(record);
    } catch (err) {
      this.#log.warn({ err, action: record.action }, 'outcome of an action waits for the database');
      if (this.#waiting.length < mostWaiting) this.#waiting.push(record);
      else this.#log.error({ record: { ...record, details: null } }, 'outcome of an action is not in the audit');
      this.#retryLater();
    }
  }

  #retryLater(): void {
    const pauseMs = Math.min(lastPauseMs, firstPauseMs * 2 ** this.#failures);
    this.#retry ??= setTimeout(() => void this.#tryAgain(), pauseMs).unref();
  }

  async #tryAgain(): Promise<void> {
    const records = this.#waiting.slice(0, 500);
    try {
      // What an answer that was lost said already is left out by its id.
      await this.#ledger.append(records);
      this.#waiting.splice(0, records.length);
      this.#failures = 0;
    } catch (err) {
      this.#failures += 1;
      // One that the database will never take must not hold up the others.
      if (!isStoreUnavailable(err) && !(err instanceof Problem)) await this.#separately(this.#waiting.splice(0, records.length));
    }
    this.#retry = undefined;
    if (this.#waiting.length > 0) this.#retryLater();
  }

  async #separately(records: readonly NewRecord[]): Promise<void> {
    for (const record of records) {
      await this.#ledger.append([record]).catch((err: unknown) => {
        if (isStoreUnavailable(err) || err instanceof Problem) this.#waiting.push(record);
        else this.#log.error({ err, record: { ...record, details: null } }, 'outcome of an action is not in the audit');
      });
    }
  }
}

function recorded(tenant: Tenant | { readonly name: string }): Pick<NewRecord, 'tenant' | 'tenantOrganizationId'> {
  if (!('metadata' in tenant)) return { tenant: { name: storable(tenant.name) } };
  const { name, uid } = tenant.metadata;
  return { tenant: { name, ...(uid === undefined ? {} : { uid }) }, tenantOrganizationId: tenant.spec.organizationId };
}

/** What somebody asked for, or is called elsewhere, need not be a name, and PostgreSQL takes no character NUL and no half of a pair. */
function storable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}]/gu, '\ufffd');
}

function asObject(details: unknown): object {
  return details !== null && typeof details === 'object' && !Array.isArray(details) ? details : { details };
}
