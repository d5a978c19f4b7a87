import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { deliver, RecordsRefused, type RefusedRecord } from '../../../audit/delivery.ts';
import { newRecordId, type ToolCallRecord } from '../../../audit/record.ts';
import { SpoolSender } from '../../../audit/sender.ts';
import { SetAside } from '../../../audit/set-aside.ts';
import { RecordTooLarge, Spool } from '../../../audit/spool.ts';
import type { Caller } from '../assertion.ts';
import { ConfigurationError } from '../environment.ts';
import { ArgumentRedactor, redacted } from './argument-redactor.ts';
import type { KeyUse, KeyUses } from './key-uses.ts';
import type { Tool } from './tool.ts';
import type { Outcome } from './tool-call.ts';

/** Bytes the spool may take: below the 64 MiB of its volume, past which the pod would be evicted. Some 100,000 calls. */
export const spoolBytes = 48 * 1024 * 1024;
/** Longest time records wait for others to travel with them, and between two attempts while the control plane is away, in milliseconds. */
const lingerMs = 300;
const maxPauseMs = 10_000;
/** How long no tool is called after a record could not be written, in milliseconds. */
export const brokenMs = 5_000;
/** How often uses of keys are told when no records travel. */
const keyUsesMs = 5_000;
/** How many of them the control plane takes at a time. */
const mostKeyUses = 500;

/** A tool call that has ended. */
export interface EndedCall {
  readonly tool: Tool;
  readonly args: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  readonly requestId: string;
  readonly durationMs: number;
  readonly outcome: Outcome;
}

export interface AuditTrailOptions {
  readonly dir: string;
  /**
   * Resolves once the control plane has stored them, with those it will never take.
   * @throws {RecordsRefused} when it will never take them together.
   */
  readonly send: (records: readonly ToolCallRecord[], keys: readonly KeyUse[], signal: AbortSignal) => Promise<readonly RefusedRecord[]>;
  readonly keyUses: KeyUses;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: Logger;
}

/** Records of tool calls: on disk before the caller has the answer, at the control plane within a second, or as soon as it is back. */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #spool: Spool<ToolCallRecord>;
  readonly #sender: SpoolSender<ToolCallRecord>;
  readonly #refused: SetAside<ToolCallRecord>;
  readonly #redactor = new ArgumentRedactor();
  #brokenUntil = 0;

  /** @throws {ConfigurationError} when the folder cannot be used. */
  constructor(options: AuditTrailOptions) {
    this.#options = options;
    try {
      this.#spool = new Spool({ dir: options.dir, maxBytes: spoolBytes });
      this.#refused = new SetAside(options.dir, options.clock);
    } catch (error) {
      throw new ConfigurationError(`TENANTRY_AUDIT_SPOOL_DIR cannot be used: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.#sender = new SpoolSender({
      spool: this.#spool,
      send: (records, signal) =>
        deliver(
          records,
          (part) => this.#send(part, signal),
          (record, reason) => this.#setAside(record, reason),
        ),
      onError: (error) => options.logger.warn({ err: error, bytes: this.#spool.bytes }, 'audit records not delivered'),
      lingerMs,
      maxPauseMs,
    });
  }

  /** Whether no more calls may be made: there is room for those under way alone, or the disk has just failed. */
  get full(): boolean {
    return this.#spool.full || this.#options.clock() < this.#brokenUntil;
  }

  get bytes(): number {
    return this.#spool.bytes;
  }

  /** Records that the control plane will never take: they are set aside in the spool's folder. */
  get refused(): number {
    return this.#refused.count;
  }

  /** Seconds since the oldest call that the control plane does not know of; 0 when it knows all. */
  async oldestSeconds(): Promise<number> {
    if (this.#spool.bytes === 0) return 0;
    const oldest = (await this.#spool.next({ records: 1, bytes: 0 }))?.records[0];
    return oldest === undefined ? 0 : Math.max(0, (this.#options.clock() - Date.parse(oldest.time)) / 1000);
  }

  /** Written when it returns. @throws SpoolFull when it cannot be; the record is then in the log. */
  record({ tool, args, caller, requestId, durationMs, outcome }: EndedCall): void {
    const now = this.#options.clock();
    const record: ToolCallRecord = {
      id: newRecordId(now),
      time: new Date(now).toISOString(),
      requestId,
      subject: caller.subject,
      ...(caller.organization !== undefined && { organizationId: caller.organization }),
      tool: tool.name,
      arguments: this.#redactor.redact(tool, args),
      durationMs: Math.round(durationMs),
      outcome,
    };
    try {
      this.#append(record);
    } catch (error) {
      // What has been called cannot be undone: after one such call, no other is made until the disk may work again.
      this.#brokenUntil = now + brokenMs;
      this.#options.logger.error({ record, err: error }, 'audit record not written');
      throw error;
    }
  }

  /** A document with enormous names costs the arguments, not the record. */
  #append(record: ToolCallRecord): void {
    try {
      this.#spool.append(record);
    } catch (error) {
      if (!(error instanceof RecordTooLarge)) throw error;
      this.#spool.append({ ...record, arguments: redacted });
    }
  }

  /** Sends until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#sender.run(signal), this.#sendKeyUses(signal)]);
  }

  /** Sends what is left, tries again until the deadline, and closes. What remains then is sent by the next process on this folder. */
  async close(deadline: AbortSignal): Promise<void> {
    for (;;) {
      await this.#sender.drain(deadline);
      if (this.#spool.bytes === 0 || deadline.aborted) break;
      await delay(lingerMs, undefined, { signal: deadline }).catch(() => {});
    }
    if (this.#options.keyUses.any && !deadline.aborted) await this.#send([], deadline).catch(() => {});
    if (this.#spool.bytes > 0) this.#options.logger.error({ bytes: this.#spool.bytes }, 'audit records left in the spool');
    await this.#spool.close();
  }

  async #sendKeyUses(signal: AbortSignal): Promise<void> {
    const { keyUses, logger } = this.#options;
    while (!signal.aborted) {
      await delay(keyUsesMs, undefined, { signal }).catch(() => {});
      if (signal.aborted || !keyUses.any) continue;
      await this.#send([], signal).catch((error) => logger.debug({ err: error }, 'uses of API keys not delivered'));
    }
  }

  async #send(records: readonly ToolCallRecord[], signal: AbortSignal): Promise<readonly RefusedRecord[]> {
    const { send, keyUses, logger } = this.#options;
    const keys = keyUses.take(mostKeyUses);
    try {
      return await send(records, keys, signal);
    } catch (error) {
      if (!(error instanceof RecordsRefused)) keyUses.restore(keys);
      if (!(error instanceof RecordsRefused) || keys.length === 0 || records.length > 1) throw error;
      // It may have been for the keys, which are made good by the next use.
      if (records.length === 1) return await send(records, [], signal);
      logger.warn({ err: error }, 'uses of API keys refused');
      return [];
    }
  }

  /** What it says is in the file, and not in the log. */
  #setAside(record: ToolCallRecord, reason: string): void {
    const kept = this.#refused.add(record, reason);
    this.#options.logger.error({ id: record.id, reason, kept }, 'audit record refused');
  }
}
