import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { deliver, RecordsRefused, type RefusedRecord, SendLater } from '../../audit/delivery.ts';
import { newRecordId, type OperatorRecord, type RecordedTenant } from '../../audit/record.ts';
import { SpoolSender } from '../../audit/sender.ts';
import { SetAside } from '../../audit/set-aside.ts';
import { Spool } from '../../audit/spool.ts';

export interface OperatorAuditOptions {
  /** Folder of this process alone that outlives it. */
  readonly spoolDir: string;
  readonly controlPlaneUrl: string;
  /** File with a token of the operator's ServiceAccount, replaced every few minutes and so read before each use. */
  readonly tokenFile: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** More than a day's records of a thousand tenants. */
const spoolBytes = 48 * 1024 * 1024;
const timeoutMs = 10_000;
/** The control plane understood, and will never take it. */
const refusals = new Set([400, 413, 422]);

/** The operator's records for the audit: written when the method returns, sent to the control plane within a second or when it is back. */
export class OperatorAudit {
  readonly #options: OperatorAuditOptions;
  readonly #spool: Spool<OperatorRecord>;
  readonly #sender: SpoolSender<OperatorRecord>;
  readonly #refused: SetAside<OperatorRecord>;
  #lost = 0;

  /** @throws Error of node:fs when the folder cannot be used. */
  constructor(options: OperatorAuditOptions) {
    this.#options = options;
    this.#spool = new Spool({ dir: options.spoolDir, maxBytes: spoolBytes });
    this.#refused = new SetAside(options.spoolDir, options.now);
    this.#sender = new SpoolSender({
      spool: this.#spool,
      send: (records, signal) =>
        deliver(
          records,
          (part) => this.#send(part, signal),
          (record, reason) => this.#setAside(record, reason),
        ),
      onError: (err) => options.log.warn({ err, bytes: this.#spool.bytes }, 'audit records not delivered'),
    });
  }

  /** Bytes that wait on disk. */
  get bytes(): number {
    return this.#spool.bytes;
  }

  /** Records that the control plane will never take: they are set aside in the spool's folder. */
  get refused(): number {
    return this.#refused.count;
  }

  /** Records that there was no room for on disk: they are in the log alone. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Secrets of a tenant were replaced.
   * @param secrets Names of Secrets, or of keys in them as `<secret>/<key>`; never values.
   * @param cause Why: `request`, `schedule`, `lost`, or another word.
   */
  rotated(tenant: RecordedTenant, secrets: readonly string[], cause: string, outcome = 'ok'): void {
    this.#keep({ kind: 'rotation', ...this.#common(tenant), secrets, cause, outcome });
  }

  /** Secrets of a tenant were read: once for each read and purpose, or once for a tenant in a pass over all. */
  secretsRead(tenant: RecordedTenant, secrets: readonly string[], purpose: string, outcome = 'ok'): void {
    this.#keep({ kind: 'secret-read', ...this.#common(tenant), secrets, purpose, outcome });
  }

  /** Sends until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#sender.run(signal);
  }

  /** After `run` has ended: sends what is left until the deadline. What remains is sent by the next process on this folder. */
  async close(deadline: AbortSignal): Promise<void> {
    await this.#sender.drain(deadline);
    await this.#spool.close();
  }

  #common({ name, uid }: RecordedTenant) {
    const now = this.#options.now();
    return { id: newRecordId(now), time: new Date(now).toISOString(), tenant: { name, uid } };
  }

  /** Tenants are looked after even while their records cannot be kept; the log has them then. */
  #keep(record: OperatorRecord): void {
    try {
      this.#spool.append(record);
    } catch (err) {
      this.#lost += 1;
      this.#options.log.error({ err, record }, 'audit record not kept');
    }
  }

  #setAside(record: OperatorRecord, reason: string): void {
    const kept = this.#refused.add(record, reason);
    this.#options.log.error({ id: record.id, reason, kept }, 'audit record refused');
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
    const text = await response.text();
    const { status } = response;
    if (refusals.has(status)) throw new RecordsRefused(`the control plane answered ${status}`);
    if (status === 429) throw new SendLater('the control plane answered 429', Number(response.headers.get('retry-after') ?? 0) * 1000);
    if (status !== 200) throw new Error(`the control plane answered ${status}`);
    return (JSON.parse(text) as { refused?: readonly RefusedRecord[] }).refused ?? [];
  }
}
