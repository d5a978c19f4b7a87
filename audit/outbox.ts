import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../net/backoff.ts';
import { DeadLetters } from './dead-letters.ts';
import { deliver, type RefusedRecord, SendLater } from './delivery.ts';
import { Spool, type SpoolOptions } from './spool.ts';

/** A logger such as pino's. This folder has no dependencies. */
export interface OutboxLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface OutboxOptions<T extends { readonly id: string }> extends SpoolOptions {
  /**
   * Sends records. Resolves, with the refused ones, once the receiver has stored all others.
   * @throws {RecordsRefused} when the receiver refused the batch as a whole; {SendLater} when it is overloaded.
   */
  readonly send: (records: readonly T[], signal: AbortSignal) => Promise<readonly RefusedRecord[]>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: OutboxLog;
  /** Milliseconds that a record waits, so that others travel in the same batch. */
  readonly lingerMs?: number;
  /** Longest delay between two attempts, in milliseconds. */
  readonly maxDelayMs?: number;
}

const firstDelayMs = 500;
/** Longest delay that a receiver can ask for, in milliseconds. */
const maxRequestedDelayMs = 120_000;

/** Writes records to a spool and sends them, in order, until the receiver has stored or refused each of them. */
export class Outbox<T extends { readonly id: string }> {
  readonly #options: OutboxOptions<T>;
  readonly #spool: Spool<T>;
  readonly #deadLetters: DeadLetters<T>;

  /** Continues with the records of an earlier process. @throws Error of node:fs when the folder cannot be used. */
  constructor(options: OutboxOptions<T>) {
    this.#options = options;
    this.#spool = new Spool(options);
    this.#deadLetters = new DeadLetters(options.dir, options.now);
  }

  /** Bytes that wait on disk. */
  get bytes(): number {
    return this.#spool.bytes;
  }

  /** Whether the spool has room only for records of work that has already started. */
  get full(): boolean {
    return this.#spool.full;
  }

  /** Records that the receiver refused since this process started. */
  get refused(): number {
    return this.#deadLetters.count;
  }

  /** The oldest record that is not sent yet. */
  async oldest(): Promise<T | undefined> {
    return (await this.#spool.next({ records: 1, bytes: 0 }))?.records[0];
  }

  /** The record is on disk when this returns. @throws SpoolFull; RecordTooLarge. */
  append(record: T): void {
    this.#spool.append(record);
  }

  /** Sends until `signal` aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { lingerMs = 500, maxDelayMs = 30_000 } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#spool.waitForRecords(signal);
        if (failures === 0) await delay(lingerMs, undefined, { signal });
        await this.#sendAll(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#logFailure(error);
        failures += 1;
        const delayMs = backoffMs({ firstMs: firstDelayMs, maxMs: maxDelayMs }, failures);
        const leastMs = error instanceof SendLater ? Math.min(error.afterMs, maxRequestedDelayMs) : 0;
        // Random, so that senders that lost the same receiver do not return at the same moment.
        await delay(Math.max(leastMs, delayMs / 2) + (Math.random() * delayMs) / 2, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Sends once, until the spool is empty, an attempt fails, or `signal` aborts. Unsent records stay in the spool. */
  async drain(signal: AbortSignal): Promise<void> {
    try {
      await this.#sendAll(signal);
    } catch (error) {
      this.#logFailure(error);
    }
  }

  /** Forces written records to disk and closes the files. The next process on this folder sends the rest. */
  async close(): Promise<void> {
    await this.#spool.close();
  }

  async #sendAll(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const batch = await this.#spool.next();
      if (batch === undefined) return;
      await deliver(
        batch.records,
        (records) => this.#options.send(records, signal),
        (record, reason) => this.#refuse(record, reason),
      );
      batch.acknowledge();
    }
  }

  /** The record's content goes to the file of dead letters alone, never to the log. */
  #refuse(record: T, reason: string): void {
    const kept = this.#deadLetters.add(record, reason);
    this.#options.log.error({ id: record.id, reason, kept }, 'audit record refused');
  }

  #logFailure(err: unknown): void {
    this.#options.log.warn({ err, bytes: this.#spool.bytes }, 'audit records not delivered');
  }
}
