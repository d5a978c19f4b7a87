import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { type RefusedRecord, refusedIn } from '../../audit/delivery.ts';
import { Outbox } from '../../audit/outbox.ts';
import { newRecordId, type OperatorRecord, type RecordedTenant } from '../../audit/record.ts';

export interface OperatorAuditOptions {
  /** Folder that only this process uses and that outlives it. */
  readonly spoolDir: string;
  readonly controlPlaneUrl: string;
  /** File with the operator's ServiceAccount token. The kubelet replaces it every few minutes, so it is read before each use. */
  readonly tokenFile: string;
  readonly log: Logger;
  /** Present time, in milliseconds since the epoch. */
  readonly now: () => number;
}

const timeoutMs = 10_000;

/**
 * The operator's audit records. A record is on disk when the method returns. It is at the control plane within a second, or as soon as the
 * control plane answers again.
 */
export class OperatorAudit {
  readonly #options: OperatorAuditOptions;
  readonly #outbox: Outbox<OperatorRecord>;
  #lost = 0;

  /** @throws Error of node:fs when the folder cannot be used. */
  constructor(options: OperatorAuditOptions) {
    const { spoolDir: dir, log, now } = options;
    this.#options = options;
    this.#outbox = new Outbox({ dir, log, now, send: (records, signal) => this.#send(records, signal) });
  }

  /** Bytes of the records on disk that wait to be sent. */
  get bytes(): number {
    return this.#outbox.bytes;
  }

  /** Number of records that the control plane refused. They are in the spool's folder as dead letters. */
  get refused(): number {
    return this.#outbox.refused;
  }

  /** Number of records that did not fit on the disk. They are only in the log. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Records that secrets of a tenant were replaced.
   * @param secrets Names of Secrets, or of keys in them as `<secret>/<key>`; never values.
   * @param cause Reason for the replacement: `request`, `schedule`, `lost`, or another word.
   */
  rotated(tenant: RecordedTenant, secrets: readonly string[], cause: string, outcome = 'ok'): void {
    this.#append({ kind: 'rotation', ...this.#common(tenant), secrets, cause, outcome });
  }

  /** Records that secrets of a tenant were read: once for each read and purpose, or once for each tenant in a pass over all tenants. */
  secretsRead(tenant: RecordedTenant, secrets: readonly string[], purpose: string, outcome = 'ok'): void {
    this.#append({ kind: 'secret-read', ...this.#common(tenant), secrets, purpose, outcome });
  }

  /** Sends until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#outbox.run(signal);
  }

  /**
   * Sends the remaining records until the deadline. Call it after `run` has ended. The next process on this folder sends the records that
   * are left.
   */
  async close(deadline: AbortSignal): Promise<void> {
    await this.#outbox.drain(deadline);
    await this.#outbox.close();
  }

  #common({ name, uid }: RecordedTenant) {
    const now = this.#options.now();
    return { id: newRecordId(now), time: new Date(now).toISOString(), tenant: { name, uid } };
  }

  /** The operator continues without a working disk. The record is then only in the log. */
  #append(record: OperatorRecord): void {
    try {
      this.#outbox.append(record);
    } catch (err) {
      this.#lost += 1;
      this.#options.log.error({ err, record }, 'audit record not kept');
    }
  }

  async #send(records: readonly OperatorRecord[], signal: AbortSignal): Promise<readonly RefusedRecord[]> {
    const { controlPlaneUrl, tokenFile } = this.#options;
    const token = (await readFile(tokenFile, 'utf8')).trim();
    const response = await fetch(`${controlPlaneUrl.replace(/\/+$/, '')}/operator/v1/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ records }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      redirect: 'error',
    });
    return refusedIn({ status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text() });
  }
}
