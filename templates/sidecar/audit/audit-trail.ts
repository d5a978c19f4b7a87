import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { RecordsRefused, type RefusedRecord } from '../../../audit/delivery.ts';
import { Outbox } from '../../../audit/outbox.ts';
import { newRecordId, type ToolCallRecord } from '../../../audit/record.ts';
import { redacted } from '../../../audit/secret-names.ts';
import { RecordTooLarge } from '../../../audit/spool.ts';
import type { Caller } from '../../runtime/assertion.ts';
import { ConfigurationError } from '../../runtime/environment.ts';
import type { KeyUse, KeyUses } from '../auth/key-uses.ts';
import type { Tool } from '../settings/tool.ts';
import type { Outcome } from '../tools/tool-call.ts';
import { ArgumentRedactor } from './argument-redactor.ts';

/** Milliseconds that a record waits, so that others travel in the same batch. */
const lingerMs = 300;
/** Longest delay between two attempts while the control plane is away, in milliseconds. */
const maxDelayMs = 10_000;
/** Time without tool calls after a record could not be written, in milliseconds. */
export const brokenMs = 5_000;
/** Interval at which uses of keys are sent without records, in milliseconds. */
const keyUsesMs = 5_000;
/** Most uses of keys in a request. */
const maxKeyUses = 500;

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
   * Resolves, with the refused records, once the control plane has stored all others.
   * @throws {RecordsRefused} when it refused the batch as a whole.
   */
  readonly send: (records: readonly ToolCallRecord[], keys: readonly KeyUse[], signal: AbortSignal) => Promise<readonly RefusedRecord[]>;
  readonly keyUses: KeyUses;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: Logger;
}

/** Records of tool calls: on disk before the caller has the answer, at the control plane within a second or once it is back. */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #outbox: Outbox<ToolCallRecord>;
  readonly #redactor = new ArgumentRedactor();
  #brokenUntil = 0;

  /** @throws {ConfigurationError} when the folder cannot be used. */
  constructor(options: AuditTrailOptions) {
    this.#options = options;
    try {
      const { dir, clock: now, logger: log } = options;
      this.#outbox = new Outbox({ dir, now, log, lingerMs, maxDelayMs, send: (records, signal) => this.#send(records, signal) });
    } catch (error) {
      throw new ConfigurationError(`TENANTRY_AUDIT_SPOOL_DIR cannot be used: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Whether no more tools may be called: the spool is full, or the disk has just failed. */
  get full(): boolean {
    return this.#outbox.full || this.#options.clock() < this.#brokenUntil;
  }

  get bytes(): number {
    return this.#outbox.bytes;
  }

  /** Records that the control plane refused. They are in the spool's folder as dead letters. */
  get refused(): number {
    return this.#outbox.refused;
  }

  /** Age in seconds of the oldest record that the control plane has not stored; 0 without one. */
  async oldestSeconds(): Promise<number> {
    if (this.#outbox.bytes === 0) return 0;
    const oldest = await this.#outbox.oldest();
    return oldest === undefined ? 0 : Math.max(0, (this.#options.clock() - Date.parse(oldest.time)) / 1000);
  }

  /** The record is on disk when this returns. @throws SpoolFull otherwise; the record is then in the log. */
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
      // The call cannot be undone. No other tool is called until the disk may work again.
      this.#brokenUntil = now + brokenMs;
      this.#options.logger.error({ record, err: error }, 'audit record not written');
      throw error;
    }
  }

  /** A record that is too large is written without its arguments. */
  #append(record: ToolCallRecord): void {
    try {
      this.#outbox.append(record);
    } catch (error) {
      if (!(error instanceof RecordTooLarge)) throw error;
      this.#outbox.append({ ...record, arguments: redacted });
    }
  }

  /** Sends until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#outbox.run(signal), this.#sendKeyUses(signal)]);
  }

  /** Sends the rest, retries until the deadline, and closes. The next process on this folder sends the remaining records. */
  async close(deadline: AbortSignal): Promise<void> {
    for (;;) {
      await this.#outbox.drain(deadline);
      if (this.#outbox.bytes === 0 || deadline.aborted) break;
      await delay(lingerMs, undefined, { signal: deadline }).catch(() => {});
    }
    if (this.#options.keyUses.any && !deadline.aborted) await this.#send([], deadline).catch(() => {});
    if (this.#outbox.bytes > 0) this.#options.logger.error({ bytes: this.#outbox.bytes }, 'audit records left in the spool');
    await this.#outbox.close();
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
    const keys = keyUses.take(maxKeyUses);
    try {
      return await send(records, keys, signal);
    } catch (error) {
      if (!(error instanceof RecordsRefused)) keyUses.restore(keys);
      if (!(error instanceof RecordsRefused) || keys.length === 0 || records.length > 1) throw error;
      // The keys may be at fault. Their next use is sent again.
      if (records.length === 1) return await send(records, [], signal);
      logger.warn({ err: error }, 'uses of API keys refused');
      return [];
    }
  }
}
