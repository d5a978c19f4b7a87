import type { Logger } from 'pino';
import { newRecordId } from '../../audit/record.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { backoffMs } from '../../net/backoff.ts';
import type { Code } from '../../problems/catalogue.ts';
import { Problem } from '../../problems/problem.ts';
import type { ActionLog, Intent, PendingAction } from '../access/actions.ts';
import { isStoreUnavailable } from '../store/failures.ts';
import type { Ledger, NewRecord } from './ledger.ts';
import { redact } from './redaction.ts';

const backoff = { firstMs: 250, maxMs: 5_000 };
/** Most outcomes that wait for the database. Further outcomes go to the log alone. */
const mostWaiting = 10_000;

/**
 * Records the actions of administrators. The intent is recorded before the change, so that every change has a record. An outcome waits
 * in memory while the database is unavailable. An intent without an outcome means that the process ended before it was recorded.
 */
export class Audit implements ActionLog {
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

  async begin(intent: Intent): Promise<PendingAction> {
    const intended = this.#record(intent, 'intended', intent.details ?? {});
    await this.#ledger.join(intended);
    return {
      succeeded: (details = {}, tenant) =>
        this.#settle(
          this.#record(tenant === undefined ? intent : { ...intent, tenant }, 'ok', { intent: intended.id, ...asObject(details) }),
        ),
      failed: (code, details = {}) => this.#settle(this.#record(intent, code, { intent: intended.id, ...asObject(details) })),
    };
  }

  denied(intent: Intent, code: Code): Promise<void> {
    return this.#settle(this.#record(intent, code, intent.details ?? {}));
  }

  /** Tries once more to record waiting outcomes. The rest goes to the log. */
  async close(): Promise<void> {
    clearTimeout(this.#retry);
    const rest = this.#waiting.splice(0);
    await this.#ledger.append(rest).catch((err: unknown) => {
      for (const { details: _, ...record } of rest) this.#log.error({ err, record }, 'outcome of an action not recorded in the audit');
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
      else this.#log.error({ record: { ...record, details: null } }, 'outcome of an action not recorded in the audit');
      this.#retryLater();
    }
  }

  #retryLater(): void {
    const pauseMs = backoffMs(backoff, this.#failures + 1);
    this.#retry ??= setTimeout(() => void this.#tryAgain(), pauseMs).unref();
  }

  async #tryAgain(): Promise<void> {
    const records = this.#waiting.slice(0, 500);
    try {
      // A record that was stored although the answer was lost is left out by its id.
      await this.#ledger.append(records);
      this.#waiting.splice(0, records.length);
      this.#failures = 0;
    } catch (err) {
      this.#failures += 1;
      // A record that the database cannot store must not block the others.
      if (!isStoreUnavailable(err) && !(err instanceof Problem)) await this.#separately(this.#waiting.splice(0, records.length));
    }
    this.#retry = undefined;
    if (this.#waiting.length > 0) this.#retryLater();
  }

  async #separately(records: readonly NewRecord[]): Promise<void> {
    for (const record of records) {
      await this.#ledger.append([record]).catch((err: unknown) => {
        if (isStoreUnavailable(err) || err instanceof Problem) this.#waiting.push(record);
        else this.#log.error({ err, record: { ...record, details: null } }, 'outcome of an action not recorded in the audit');
      });
    }
  }
}

function recorded(tenant: Tenant | { readonly name: string }): Pick<NewRecord, 'tenant' | 'tenantOrganizationId'> {
  if (!('metadata' in tenant)) return { tenant: { name: storable(tenant.name) } };
  const { name, uid } = tenant.metadata;
  return { tenant: { name, ...(uid === undefined ? {} : { uid }) }, tenantOrganizationId: tenant.spec.organizationId };
}

/** Replaces control characters and lone surrogates, which PostgreSQL cannot store. The text may come from outside. */
function storable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}]/gu, '\ufffd');
}

function asObject(details: unknown): object {
  return details !== null && typeof details === 'object' && !Array.isArray(details) ? details : { details };
}
